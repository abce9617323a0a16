// A filter that replaces each body with itself: what a milter costs that does nothing of its own. The measure
// for lockbox-milter behind a mail server (behind_postfix.py). `passing_milter unix:/path`.
#include <libmilter/mfapi.h>

#include <cstdio>
#include <string>

namespace {

std::string& body_of(SMFICTX* context) {
    auto* body = static_cast<std::string*>(smfi_getpriv(context));
    if (body == nullptr) {
        body = new std::string; // NOLINT(cppcoreguidelines-owning-memory): closed() deletes it
        smfi_setpriv(context, body);
    }
    return *body;
}

sfsistat began(SMFICTX* context, char** /*arguments*/) {
    body_of(context).clear();
    return SMFIS_CONTINUE;
}

sfsistat came(SMFICTX* context, unsigned char* bytes, std::size_t octets) {
    body_of(context).append(reinterpret_cast<const char*>(bytes), octets);
    return SMFIS_CONTINUE;
}

sfsistat ended(SMFICTX* context) {
    auto& body = body_of(context);
    const auto replaced = smfi_replacebody(context, reinterpret_cast<unsigned char*>(body.data()),
                                           static_cast<int>(body.size()));
    return replaced == MI_SUCCESS ? SMFIS_ACCEPT : SMFIS_TEMPFAIL;
}

sfsistat closed(SMFICTX* context) {
    delete static_cast<std::string*>(smfi_getpriv(context)); // NOLINT(cppcoreguidelines-owning-memory)
    smfi_setpriv(context, nullptr);
    return SMFIS_CONTINUE;
}

} // namespace

int main(int argc, char** argv) {
    std::string name = "passing_milter";
    smfiDesc filter{};
    filter.xxfi_name = name.data();
    filter.xxfi_version = SMFI_VERSION;
    filter.xxfi_flags = SMFIF_CHGBODY;
    filter.xxfi_envfrom = began;
    filter.xxfi_body = came;
    filter.xxfi_eom = ended;
    filter.xxfi_close = closed;
    if (argc != 2 || smfi_setconn(argv[1]) != MI_SUCCESS || smfi_register(filter) != MI_SUCCESS) {
        std::fputs("Usage: passing_milter unix:/path\n", stderr);
        return 64;
    }
    return smfi_main() == MI_SUCCESS ? 0 : 1;
}
