// The header section of an opened message, out of the one outside and the protected one inside (RFC 9788 §4).
#pragma once

#include "mail/header.hpp"

#include <string>
#include <vector>

namespace lockbox::mail {

/// The opened message's header section.
struct RestoredHeader {
    HeaderSection header;
    bool was_protected = false;        ///< the payload asserts protected header fields
    std::vector<std::string> warnings; ///< sentences for the reader: inner and outer From differ, …
};

/// Puts together the outer header section of a sealed message and the header section of its payload (RFC 9788
/// §4.2.1 and §4.4; for payloads with only protected-headers="v1" the same). Structural fields, without the
/// protection's parameters, and signatures of mail servers come from the payload; those outside belong to the
/// sealed form and go. A signature inside is as good as its verification: whoever sealed may have invented
/// it.
///
/// Fields inside replace those outside; HP-Outer goes. The outer From is kept, with a warning, where the
/// inner one names another mailbox: nothing here is signed (RFC 9788 §4.4.2).
///
/// Outer fields that the payload does not have stay, but for those a payload with the `hp` parameter would
/// have if its sender had written them (Subject, To, Reply-To, …): these go, with a warning (RFC 9788 §4).
/// Trace fields, Authentication-Results and what filters add come from outside only, whatever the payload
/// says.
///
/// What protect() (mail/protection.hpp) took apart comes back with its exact bytes, and duplicates in their
/// order, as a DKIM verifier needs them. Not so: Bcc; verdicts of spam filters; a protection of the
/// original's own, whose parameters and HP-Outer are gone; a MIME-Version or Content-Type that was missing
/// and now is there; an entity that had to be wrapped, which stays wrapped.
[[nodiscard]] RestoredHeader restore(const HeaderSection& outer, const HeaderSection& payload);

/// The same for the whole payload: where it is a signed message, the protected fields are those of the signed
/// part and the structural ones its own.
[[nodiscard]] RestoredHeader restore(const HeaderSection& outer, const MessageView& payload);

/// The fields outside together with those that the root of a payload has only because they must not stay
/// outside: what protect() makes of a signed message. Of other programs' payloads it takes no name that
/// OuterFields contains, no Subject, and none that stands outside.
[[nodiscard]] HeaderSection with_kept_fields(const HeaderSection& outer, const HeaderSection& payload);

} // namespace lockbox::mail
