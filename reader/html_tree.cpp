#include "reader/html_tree.hpp"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdint>
#include <ctime>
#include <new>
#include <vector>

namespace lockbox::reader {

/// Gumbo asks for all of its memory here, and cannot be told that there is none. So beyond a limit control
/// jumps out of it, over frames of C that own nothing but this memory. It is given back as a whole: gumbo's
/// own way recurses as deep as the page is.
class HtmlTree::Memory {
public:
    /// False: a limit was exceeded.
    bool parse(std::string_view html, const GumboNode** document) {
        GumboOptions options = kGumboDefaultOptions;
        options.allocator = [](void* self, std::size_t octets) {
            return static_cast<Memory*>(self)->allocate(octets);
        };
        options.deallocator = [](void* self, void* block) { static_cast<Memory*>(self)->release(block); };
        options.userdata = this;
        options.max_errors = 0;
        begin_ = seconds();
        if (setjmp(out_of_gumbo_) != 0) { // NOLINT: see above
            return false;
        }
        *document = gumbo_parse_with_options(&options, html.data(), html.size())->document;
        return true;
    }

private:
    static constexpr std::size_t classes = 40; ///< blocks of 16 << class octets
    static constexpr std::size_t smallest = 16;
    static constexpr std::size_t chunk_octets = 1U << 20U;

    /// In front of each block.
    struct alignas(std::max_align_t) Head {
        std::size_t size_class;
        Head* next_free;
    };

    void* allocate(std::size_t octets) {
        constexpr unsigned asks_per_look_at_the_clock = 1024;
        if (++asked_ % asks_per_look_at_the_clock == 0 && seconds() - begin_ > html_cpu_seconds_max) {
            std::longjmp(out_of_gumbo_, 1); // NOLINT: see above
        }
        if (octets > html_memory_octets_max) {
            std::longjmp(out_of_gumbo_, 1); // NOLINT: see above
        }
        std::size_t size_class = 0;
        while ((smallest << size_class) < octets) {
            ++size_class;
        }
        auto* head = free_[size_class];
        if (head != nullptr) {
            free_[size_class] = head->next_free;
        } else {
            head = carve(sizeof(Head) + (smallest << size_class));
            if (head == nullptr) {
                std::longjmp(out_of_gumbo_, 1); // NOLINT: see above
            }
            head->size_class = size_class;
        }
        head->next_free = nullptr;
        return head + 1;
    }

    void release(void* block) noexcept {
        if (block != nullptr) {
            auto* const head = static_cast<Head*>(block) - 1;
            head->next_free = free_[head->size_class];
            free_[head->size_class] = head;
        }
    }

    Head* carve(std::size_t octets) noexcept {
        if (octets > left_) {
            const auto size = std::max(octets, chunk_octets);
            if (size > html_memory_octets_max - taken_) {
                return nullptr;
            }
            try {
                chunks_.push_back(std::make_unique<std::byte[]>(size)); // NOLINT: of no known size
            } catch (const std::bad_alloc&) {
                return nullptr;
            }
            taken_ += size;
            at_ = chunks_.back().get();
            left_ = size;
        }
        auto* const head = new (at_) Head{};
        at_ += octets;
        left_ -= octets;
        return head;
    }

    static long seconds() noexcept {
        std::timespec now{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return static_cast<long>(now.tv_sec);
    }

    std::jmp_buf out_of_gumbo_{};
    std::vector<std::unique_ptr<std::byte[]>> chunks_; // NOLINT: of no known size
    std::array<Head*, classes> free_{};
    std::byte* at_ = nullptr;
    std::size_t left_ = 0;
    std::size_t taken_ = 0;
    std::size_t asked_ = 0;
    long begin_ = 0;
};

HtmlTree::HtmlTree(std::string_view html) : memory_(std::make_unique<Memory>()) {
    if (!memory_->parse(html, &document_)) {
        memory_.reset();
    }
}

HtmlTree::~HtmlTree() = default;

const char* html_attribute(const GumboElement& element, const char* name) noexcept {
    const auto* const found = gumbo_get_attribute(&element.attributes, name);
    return found != nullptr ? found->value : nullptr;
}

} // namespace lockbox::reader
