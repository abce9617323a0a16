// Certificates in the form that an engine works with, kept for the next message.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lockbox::crypto {

/// Loaded certificates that a sealer keeps: loading one costs up to ten times as much as sealing to it. Some
/// 20 KiB each.
constexpr std::size_t loaded_certificates_max = 256;

/// Keeps the most recently used ones. Not to be used by two threads at once.
template <typename Loaded>
class LoadedCertificates {
public:
    /// The certificates of one message's recipients. There is no other way to load one, so room is always
    /// made before.
    class Recipients {
    public:
        /// `key` stands for everything that it is loaded from; `load` is called where it is not kept. What is
        /// returned lives until the next call of for_recipients().
        template <typename Load>
        [[nodiscard]] Loaded& get(const std::string& key, Load&& load) {
            return all_.get(key, std::forward<Load>(load));
        }

    private:
        friend class LoadedCertificates;
        explicit Recipients(LoadedCertificates& all) : all_(all) {}
        LoadedCertificates& all_;
    };

    /// For a message to so many recipients: of the certificates that are kept, the ones used longest ago go
    /// where there would be more than loaded_certificates_max, or more than `recipients` where that is more.
    [[nodiscard]] Recipients for_recipients(std::size_t recipients) {
        make_room_for(recipients);
        return Recipients(*this);
    }

private:
    struct Kept {
        Loaded loaded;
        std::uint64_t last_used;
    };
    std::unordered_map<std::string, Kept> kept_;
    std::uint64_t uses_ = 0;

    void make_room_for(std::size_t recipients) {
        const auto most = std::max(loaded_certificates_max, recipients);
        if (kept_.size() + recipients <= most) {
            return;
        }
        // Several at once, so that looking for the oldest ones is not done for each message.
        const auto needed = kept_.size() + recipients - most;
        const auto too_many = std::min(kept_.size(), std::max(needed, kept_.size() / 4));
        std::vector<typename decltype(kept_)::iterator> oldest;
        for (auto it = kept_.begin(); it != kept_.end(); ++it) {
            oldest.push_back(it);
        }
        std::sort(oldest.begin(), oldest.end(), [](const auto& left, const auto& right) {
            return left->second.last_used < right->second.last_used;
        });
        for (std::size_t i = 0; i < too_many; ++i) {
            kept_.erase(oldest[i]);
        }
    }

    template <typename Load>
    Loaded& get(const std::string& key, Load&& load) {
        auto found = kept_.find(key);
        if (found == kept_.end()) {
            found = kept_.emplace(key, Kept{load(), 0}).first;
        }
        found->second.last_used = ++uses_;
        return found->second.loaded;
    }
};

} // namespace lockbox::crypto
