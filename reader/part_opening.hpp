// Opening what is sealed inside of a message that is not sealed as a whole.
#pragma once

#include "mail/entity.hpp"
#include "reader/composition.hpp"
#include "reader/world.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::reader {

/// Finds and opens the sealed parts of an entity, and verifies the signed ones. Each becomes a Part of the
/// world, whether it could be opened or not.
class PartOpening {
public:
    /// `sender` and `depth` as for Opening::open().
    PartOpening(Opening& opening, World& world, const mail::HeaderSection& sender, unsigned depth)
        : opening_(opening), world_(world), sender_(&sender), depth_(depth) {}

    /// The root is one that has no layer around it but, where `is_signed`, a signature.
    void open_parts_of(const mail::Entity& root, bool is_signed);

    /// What puts the opened parts in their places, with CRLF or LF. A part stays sealed in its place, and a
    /// warning says so, where markup stands beside it, sealed or not: what is opened could be sent away with
    /// it (EFAIL, "direct exfiltration"). So does one inside of a signature, which would not fit any more.
    [[nodiscard]] std::vector<Replacement> replacements(bool crlf);

    /// Beside the sealed parts there is something to read, or a file.
    [[nodiscard]] bool has_rest() const noexcept { return has_rest_; }
    /// There are files in it whose form is not looked into.
    [[nodiscard]] bool has_opaque_files() const noexcept { return has_opaque_files_; }

private:
    struct Candidate {
        std::size_t part;
        std::string_view what;
        bool has_closed; ///< something in it could not be opened: with markup in it, perhaps
        bool is_torn;    ///< a line of it is the delimiter of a multipart around it
    };

    void walk(const mail::Entity& entity, Kind kind, bool is_signed);
    void walk_one(const mail::Entity& entity, Kind kind, bool is_signed);
    void walk_children(const mail::Entity& entity, bool is_signed);
    void add_world(const mail::Entity& entity, Kind kind, std::string form, bool is_signed);
    void add_detached(const mail::Entity& entity);
    void add_failed(std::string number, std::string form, Failure failure);
    void add_message_in(const mail::Entity& entity, const std::string& message);
    void add_leaf(const mail::Entity& entity);
    void add_armor(const mail::Entity& entity);
    void add_inline(const std::string& number, std::string_view armor);
    void add_signed_message(const std::string& number, std::string_view packets);
    void add_signed_text(const std::string& number, Verified verified);
    void add_clear_signed(const std::string& number, std::string_view armor);

    Opening& opening_;
    World& world_;
    const mail::HeaderSection* sender_;
    unsigned depth_;
    std::vector<const mail::Entity*> ancestors_;
    std::vector<Candidate> candidates_;
    bool has_markup_ = false;
    bool has_rest_ = false;
    bool has_opaque_files_ = false;
};

} // namespace lockbox::reader
