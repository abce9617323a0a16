// Taking off the sealed and signed layers around an entity.
#pragma once

#include "mail/entity.hpp"
#include "reader/world.hpp"

#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace lockbox::reader {

/// Fills in of a world what its layers tell. Keeps the bytes that root() has views of.
class Peeling {
public:
    /// Throws Error(too_large) for a MIME structure beyond its limits.
    Peeling(Opening& opening, World& world, std::string_view bytes);

    /// Takes off layer by layer, and of the last payload what is there for old readers only. Throws Error for
    /// the first layer that cannot be taken off; root() is that one then.
    void peel();

    [[nodiscard]] const mail::Entity& root() const noexcept { return root_; }
    /// The fields around all layers, and those that a payload has for them (mail::with_kept_fields()).
    [[nodiscard]] const mail::HeaderSection& outer() const noexcept { return outer_; }
    /// Set where the last layer held no entity: the text of an inline message, or a file.
    [[nodiscard]] std::optional<Content> bare() const noexcept { return bare_; }
    [[nodiscard]] std::string_view bare_bytes() const noexcept { return kept_.back().expose(); }
    /// Of a file, without the suffix that says it is encrypted; may be empty.
    [[nodiscard]] const std::string& file_name() const noexcept { return file_name_; }
    /// The root is signed, and stays in its signature.
    [[nodiscard]] bool root_is_signed() const noexcept { return root_is_signed_; }
    /// It was sealed, and nothing around or inside of it proves that it is what was sealed.
    [[nodiscard]] bool is_unproven() const noexcept { return unproven_; }

private:
    bool take_off_one();
    bool take_off_seal(const SealedForm& form);
    bool take_off_opaque_signature();
    bool take_off_signature_of_text(const std::string& block);
    bool take_off_detached_signature();
    void take_signatures(std::vector<Signature> signatures);
    void drop_legacy_display();
    void go_into(mail::Entity inner);
    std::string_view keep(Secret bytes) { return kept_.emplace_back(std::move(bytes)).expose(); }

    Opening& opening_;
    World& world_;
    std::deque<Secret> kept_;
    mail::Entity root_;
    mail::HeaderSection outer_;
    std::optional<Content> bare_;
    std::string file_name_;
    bool root_is_signed_ = false;
    bool unproven_ = false;
};

} // namespace lockbox::reader
