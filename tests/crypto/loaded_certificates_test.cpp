#include "crypto/loaded_certificates.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <set>
#include <string>

using namespace lockbox::crypto;

namespace {

/// Counts itself, so that what is kept can be counted from outside.
class Counted {
public:
    Counted() { ++alive; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    Counted(Counted&&) noexcept { ++alive; }
    Counted& operator=(Counted&&) = delete;
    ~Counted() { --alive; }

    static inline std::size_t alive = 0;
};

/// Uses the certificates `first` to `last`, of which there is none `last`, for one message. Those that had to
/// be loaded.
std::set<std::size_t> use(LoadedCertificates<Counted>& loaded, std::size_t first, std::size_t last) {
    std::set<std::size_t> read;
    auto recipients = loaded.for_recipients(last - first);
    for (auto i = first; i < last; ++i) {
        (void)recipients.get(std::to_string(i), [&] {
            read.insert(i);
            return Counted();
        });
    }
    return read;
}

} // namespace

TEST_CASE("No more certificates are kept than the limit, however many messages there are", "[crypto]") {
    LoadedCertificates<Counted> loaded;
    std::size_t most = 0;
    for (std::size_t i = 0; i < 10 * loaded_certificates_max; ++i) {
        (void)use(loaded, i, i + 1);
        most = std::max(most, Counted::alive);
    }
    CHECK(most == loaded_certificates_max);
}

TEST_CASE("A message to more than the limit keeps all of its own, and the next one takes them away",
          "[crypto]") {
    constexpr auto many = 3 * loaded_certificates_max;
    LoadedCertificates<Counted> loaded;
    CHECK(use(loaded, 0, 10).size() == 10);
    CHECK(use(loaded, 10, 10 + many).size() == many);
    CHECK(Counted::alive == many);
    CHECK(use(loaded, 0, 1).size() == 1);
    CHECK(Counted::alive <= loaded_certificates_max);
}

TEST_CASE("What is used again is kept, and what was used longest ago goes", "[crypto]") {
    LoadedCertificates<Counted> loaded;
    (void)use(loaded, 0, loaded_certificates_max - 1);
    for (std::size_t i = 0; i < loaded_certificates_max; ++i) {
        CHECK(use(loaded, 0, 1).empty());
        const auto other = loaded_certificates_max + i;
        CHECK(use(loaded, other, other + 1).size() == 1);
    }
    CHECK(use(loaded, 1, 2).size() == 1);
}
