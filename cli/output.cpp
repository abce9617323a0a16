#include "cli/output.hpp"

#include "base/ascii.hpp"
#include "cli/command.hpp"
#include "crypto/x509_judge.hpp"
#include "keyring/import.hpp"
#include "keyring/usability.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lockbox::cli {
namespace {

constexpr std::size_t gap_octets = 2; // between columns

/// Characters of UTF-8, which is what a terminal shows in one column each but for a few scripts.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

/// Null: it has none.
const keyring::Binding* best_binding(const keyring::Entry& entry) {
    const auto rank = [](const keyring::Binding& binding) {
        return std::pair(binding.state == keyring::BindingState::active, binding.trust);
    };
    const auto best =
        std::max_element(entry.bindings.begin(), entry.bindings.end(),
                         [&](const auto& left, const auto& right) { return rank(left) < rank(right); });
    return best != entry.bindings.end() ? &*best : nullptr;
}

Json json_optional(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

} // namespace

Json json_document() {
    return Json{{"version", json_version}};
}

std::string to_text(const Json& json, int indent) {
    return json.dump(indent, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

Json json_time(const std::optional<Time>& time) {
    return time ? Json(format_time(*time)) : Json(nullptr);
}

Json json_entry(const keyring::Entry& entry, Time now) {
    const auto unusable = keyring::why_unusable(entry, now);
    Json json;
    json["fingerprint"] = entry.certificate.fingerprint;
    json["protocol"] = crypto::to_string(entry.certificate.protocol);
    json["addresses"] = keyring::addresses_in(entry, keyring::BindingState::active);
    json["former_addresses"] = keyring::addresses_in(entry, keyring::BindingState::former);
    json["bindings"] = Json::array();
    for (const auto& binding : entry.bindings) {
        json["bindings"].push_back(json_binding(entry, binding, now));
    }
    json["user_ids"] = Json::array();
    for (const auto& user_id : entry.user_ids) {
        json["user_ids"].push_back({{"text", user_id.text},
                                    {"address", json_optional(user_id.address)},
                                    {"revoked", user_id.revoked},
                                    {"expires", json_time(user_id.expires)}});
    }
    json["algorithm"] = entry.algorithm;
    json["created"] = format_time(entry.created);
    json["expires"] = json_time(entry.expires);
    json["revoked"] = entry.revoked;
    json["usable"] = !unusable.has_value();
    json["why_unusable"] = unusable ? Json(unusable->describe()) : Json(nullptr);
    json["usable_until"] = unusable ? Json(nullptr) : json_time(keyring::usable_until(entry));
    json["encryption_keys"] = Json::array();
    for (const auto& key : entry.encryption_keys) {
        json["encryption_keys"].push_back({{"fingerprint", key.fingerprint},
                                           {"algorithm", key.algorithm},
                                           {"created", format_time(key.created)},
                                           {"expires", json_time(key.expires)},
                                           {"revoked", key.revoked}});
    }
    if (entry.certificate.protocol == crypto::Protocol::smime) {
        const auto names = x509_names(entry.certificate.bytes);
        json["issuer"] = names.issuer;
        json["serial"] = names.serial;
        json["chain"] = chain_subjects(entry);
        json["content_encryption"] = crypto::word(entry.certificate.content_encryption);
    }
    if (const auto* best = best_binding(entry)) {
        json["trust"] = keyring::to_string(best->trust);
        json["source"] = best->source;
    }
    json["imported"] = format_time(entry.imported);
    json["updated"] = format_time(entry.updated);
    json["warnings"] = warnings_about(entry, now);
    return json;
}

Json json_binding(const keyring::Entry& entry, const keyring::Binding& binding, Time now) {
    const auto unusable = keyring::why_unusable(entry, binding, now);
    return {{"address", binding.address.to_string()},
            {"state", keyring::to_string(binding.state)},
            {"trust", keyring::to_string(binding.trust)},
            {"source", binding.source},
            {"pinned", binding.pinned},
            {"assigned", binding.assigned},
            {"first_seen", format_time(binding.first_seen)},
            {"confirmed", format_time(binding.confirmed)},
            {"good_until", json_time(binding.good_until)},
            {"reason", json_optional(binding.reason)},
            {"usable", !unusable.has_value()},
            {"why_unusable", unusable ? Json(unusable->describe()) : Json(nullptr)},
            {"usable_until", unusable ? Json(nullptr) : json_time(keyring::usable_until(entry, binding))}};
}

Table::Table(std::ostream& out, std::vector<std::string> head) : out_(out) {
    held_back_.push_back(std::move(head));
}

void Table::add(std::vector<std::string> row) {
    if (measured_) {
        print(row);
        return;
    }
    held_back_.push_back(std::move(row));
    if (held_back_.size() > rows_measured_max) {
        finish();
    }
}

void Table::finish() {
    if (measured_ || held_back_.size() < 2) {
        return;
    }
    for (const auto& row : held_back_) {
        widths_.resize(std::max(widths_.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths_[i] = std::max(widths_[i], width(row[i]));
        }
    }
    measured_ = true;
    for (const auto& row : held_back_) {
        print(row);
    }
    held_back_.clear();
}

void Table::print(const std::vector<std::string>& row) {
    std::string line;
    std::size_t column = 0; // where the line ends by now
    std::size_t start = 0;  // where the cell belongs
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (i > 0) {
            const auto gap = std::max(start, column + gap_octets) - column;
            line.append(gap, ' ');
            column += gap;
        }
        line += row[i];
        column += width(row[i]);
        start += widths_[i] + gap_octets;
    }
    out_ << line << '\n';
    check_output(out_);
}

std::string until(const std::optional<Time>& usable_until) {
    return usable_until ? "until " + format_date(*usable_until) : "no expiry";
}

std::string usability(const keyring::Entry& entry, Time now) {
    const auto unusable = keyring::why_unusable(entry, now);
    return unusable ? unusable->describe() : until(keyring::usable_until(entry));
}

std::string usability(const keyring::Entry& entry, const keyring::Binding& binding, Time now) {
    const auto unusable = keyring::why_unusable(entry, binding, now);
    return unusable ? unusable->describe() : until(keyring::usable_until(entry, binding));
}

std::vector<std::string> warnings_about(const keyring::Entry& entry, Time now) {
    std::vector<std::string> warnings;
    if (keyring::why_unusable(entry, now)) {
        return warnings;
    }
    if (const auto end = keyring::usable_until(entry); end && *end - now < keyring::end_is_near) {
        warnings.push_back(
            fmt::format("it can be used until {} only: ask its owner for a renewed one", format_date(*end)));
    }
    if (entry.certificate.protocol == crypto::Protocol::openpgp) {
        constexpr unsigned sha1_or_older_max = 3; // RFC 9580 §9.5: MD5 1, SHA-1 2, RIPEMD-160 3
        const auto hashes = mail::signature_hash_algorithms(entry.certificate.bytes);
        if (std::any_of(hashes.begin(), hashes.end(),
                        [](unsigned hash) { return hash <= sha1_or_older_max; })) {
            warnings.emplace_back("a self-signature on it uses SHA-1 or MD5: ask its owner to renew it");
        }
    }
    return warnings;
}

X509Names x509_names(const std::string& der) {
    const auto certificate = crypto::x509_from_der(der);
    if (!certificate) {
        return {};
    }
    return {crypto::name_of(X509_get_subject_name(certificate.get())),
            crypto::name_of(X509_get_issuer_name(certificate.get())), crypto::serial_of(certificate.get())};
}

std::vector<std::string> chain_subjects(const keyring::Entry& entry) {
    std::vector<std::string> subjects;
    for (const auto& der : entry.chain) {
        subjects.push_back(x509_names(der).subject);
    }
    return subjects;
}

std::string listed(const std::vector<std::string>& texts) {
    if (texts.empty()) {
        return "-";
    }
    std::string list;
    for (const auto& text : texts) {
        list += (list.empty() ? "" : ", ") + printable(text);
    }
    return list;
}

} // namespace lockbox::cli
