// One entity with its layers taken off: what opening works with, and nobody else.
#pragma once

#include "base/error.hpp"
#include "mail/header.hpp"
#include "mail/layer.hpp"
#include "mail/restoration.hpp"
#include "reader/engine.hpp"
#include "reader/open.hpp"
#include "reader/sealed_forms.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::reader {

struct Failure {
    Outcome outcome;
    std::string reason;
    std::string hint;
};
/// What an error while opening says of the message. Rethrows what is not about the message.
[[nodiscard]] Failure failure_of(const Error& error);

/// How the header section of what was sealed relates to the one outside.
enum class Kind {
    message, ///< its protected header fields replace those outside (RFC 9788 §4)
    part,    ///< it has no header fields but those that describe it
};

struct World {
    std::vector<std::string> layers;
    std::vector<std::string> recipients;
    std::vector<Signature> signatures;
    std::vector<std::string> warnings;
    std::vector<Part> parts;
    std::optional<Failure> failure; ///< the layer that stopped it; then nothing was taken off
    Protection protection = Protection::none;
    bool is_sealed = false; ///< a sealed layer was taken off
    bool is_opaque = false; ///< a signed layer that hid its text was taken off
    bool header_was_protected = false;
    bool has_rest = false;         ///< beside what is sealed there is something to read, or a file
    bool has_opaque_files = false; ///< Opened::has_opaque_files
    bool leaves_text_out = false;  ///< Opened::leaves_text_out
    std::optional<mail::RestoredHeader> signed_header; ///< Opened::signed_header
    /// Composed; of a world that was neither sealed nor opaque only where parts were put in place.
    Secret entity;
};

/// What all worlds of one message share: the engine, and what may still be opened.
class Opening {
public:
    explicit Opening(Engine& engine) noexcept : engine_(engine) {}

    /// `depth` counts the worlds around this one. `sender` is the header section whose From field the
    /// signatures of a part are compared with; a message has its own.
    [[nodiscard]] World open(std::string_view bytes, Kind kind, const mail::HeaderSection& sender,
                             unsigned depth);

    /// Throws Error(too_large) beyond sealed_parts_max and opened_octets_max, and what the engine throws.
    [[nodiscard]] Decrypted decrypt(const SealedForm& form);
    /// A detached signature of either protocol.
    [[nodiscard]] std::vector<Signature> verify(const mail::SignedEntity& entity);
    [[nodiscard]] Engine& engine() noexcept { return engine_; }

private:
    Engine& engine_;
    std::size_t sealed_ = 0;
    std::size_t opened_octets_ = 0;
};

} // namespace lockbox::reader
