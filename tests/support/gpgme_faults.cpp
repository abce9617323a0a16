// Stands in front of GPGME (LD_PRELOAD) and lets one of its calls fail. test_import_faults.py compiles it.
//
//   LOCKBOX_FAULT=N            the Nth call fails, counted from 1; 0: none does
//   LOCKBOX_FAULT_KIND=before  it fails without having done anything; the one that is left out
//   LOCKBOX_FAULT_KIND=after   it does its work and then says that it failed
//   LOCKBOX_FAULT_KIND=silent  gpgme_op_import() does nothing and says that it has; a result is missing
//   LOCKBOX_FAULT_KIND=exec    the Nth program that GPGME starts ends at once, by a signal
//   LOCKBOX_FAULT_KIND=space   each program that GPGME starts can write no file of more than N octets
//   LOCKBOX_FAULT_LOG=FILE     one line for each call: its number and its name

#include <dlfcn.h>
#include <fcntl.h>
#include <gpgme.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

namespace {

enum class Kind { before, after, silent, exec, space };

long number(const char* name) {
    const char* const text = std::getenv(name);
    return text != nullptr ? std::strtol(text, nullptr, 10) : 0;
}

Kind kind_asked_for() {
    const char* const text = std::getenv("LOCKBOX_FAULT_KIND");
    const auto is = [&](const char* word) { return text != nullptr && std::strcmp(text, word) == 0; };
    return is("after")    ? Kind::after
           : is("silent") ? Kind::silent
           : is("exec")   ? Kind::exec
           : is("space")  ? Kind::space
                          : Kind::before;
}

const long fault = number("LOCKBOX_FAULT");
const Kind kind = kind_asked_for();

/// Counts in memory that the children share: programs are started by them.
std::atomic<long>& calls() {
    static auto* const shared = [] {
        void* const memory = ::mmap(nullptr, sizeof(std::atomic<long>), PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        return new (memory) std::atomic<long>(0);
    }();
    return *shared;
}
const bool calls_made = (calls(), true);

void note(long call, const char* name) {
    const char* const path = std::getenv("LOCKBOX_FAULT_LOG");
    if (path == nullptr) {
        return;
    }
    const int file = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file >= 0) {
        (void)::dprintf(file, "%ld %s\n", call, name);
        ::close(file);
    }
}

/// Whether this call is the one that fails.
bool is_hit(const char* name) {
    if (kind == Kind::exec || kind == Kind::space) {
        return false;
    }
    const long call = ++calls();
    note(call, name);
    return call == fault;
}

constexpr gpgme_error_t no_space() {
    return (static_cast<gpgme_error_t>(GPG_ERR_SOURCE_GPGME) << GPG_ERR_SOURCE_SHIFT) | GPG_ERR_ENOSPC;
}

template <typename Function>
Function* real(const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

/// One call of `function`, which is GPGME's own.
template <typename Function, typename... Arguments>
auto through(const char* name, Function* function, Arguments... arguments) {
    using Result = std::invoke_result_t<Function*, Arguments...>;
    if (!is_hit(name)) {
        return function(arguments...);
    }
    if constexpr (std::is_pointer_v<Result>) {
        return Result{};
    } else {
        if (kind == Kind::silent) {
            return std::strcmp(name, "gpgme_op_import") == 0 ? Result{} : Result(no_space());
        }
        if (kind == Kind::after) {
            (void)function(arguments...);
        }
        return Result(no_space());
    }
}

} // namespace

#define PASS(name, ...) return through(#name, real<decltype(name)>(#name), __VA_ARGS__)

extern "C" {

gpgme_error_t gpgme_new(gpgme_ctx_t* context) {
    PASS(gpgme_new, context);
}
gpgme_error_t gpgme_engine_check_version(gpgme_protocol_t protocol) {
    PASS(gpgme_engine_check_version, protocol);
}
gpgme_error_t gpgme_set_protocol(gpgme_ctx_t context, gpgme_protocol_t protocol) {
    PASS(gpgme_set_protocol, context, protocol);
}
gpgme_error_t gpgme_ctx_set_engine_info(gpgme_ctx_t context, gpgme_protocol_t protocol, const char* program,
                                        const char* home) {
    PASS(gpgme_ctx_set_engine_info, context, protocol, program, home);
}
gpgme_error_t gpgme_data_new(gpgme_data_t* data) {
    PASS(gpgme_data_new, data);
}
gpgme_error_t gpgme_data_new_from_mem(gpgme_data_t* data, const char* bytes, std::size_t octets, int copy) {
    PASS(gpgme_data_new_from_mem, data, bytes, octets, copy);
}
gpgme_error_t gpgme_op_import(gpgme_ctx_t context, gpgme_data_t data) {
    PASS(gpgme_op_import, context, data);
}
gpgme_import_result_t gpgme_op_import_result(gpgme_ctx_t context) {
    PASS(gpgme_op_import_result, context);
}
gpgme_error_t gpgme_get_key(gpgme_ctx_t context, const char* fingerprint, gpgme_key_t* key, int secret) {
    PASS(gpgme_get_key, context, fingerprint, key, secret);
}
gpgme_error_t gpgme_op_keylist_start(gpgme_ctx_t context, const char* pattern, int secret) {
    PASS(gpgme_op_keylist_start, context, pattern, secret);
}
gpgme_error_t gpgme_op_keylist_next(gpgme_ctx_t context, gpgme_key_t* key) {
    PASS(gpgme_op_keylist_next, context, key);
}
gpgme_error_t gpgme_op_keylist_end(gpgme_ctx_t context) {
    PASS(gpgme_op_keylist_end, context);
}
gpgme_keylist_result_t gpgme_op_keylist_result(gpgme_ctx_t context) {
    PASS(gpgme_op_keylist_result, context);
}
gpgme_error_t gpgme_op_export(gpgme_ctx_t context, const char* pattern, gpgme_export_mode_t mode,
                              gpgme_data_t data) {
    PASS(gpgme_op_export, context, pattern, mode, data);
}
gpgme_error_t gpgme_op_export_keys(gpgme_ctx_t context, gpgme_key_t* keys, gpgme_export_mode_t mode,
                                   gpgme_data_t data) {
    PASS(gpgme_op_export_keys, context, keys, mode, data);
}
gpgme_error_t gpgme_op_verify(gpgme_ctx_t context, gpgme_data_t signature, gpgme_data_t text,
                              gpgme_data_t plain) {
    PASS(gpgme_op_verify, context, signature, text, plain);
}
char* gpgme_data_release_and_get_mem(gpgme_data_t data, std::size_t* octets) {
    if (!is_hit("gpgme_data_release_and_get_mem")) {
        return real<decltype(gpgme_data_release_and_get_mem)>("gpgme_data_release_and_get_mem")(data, octets);
    }
    gpgme_data_release(data);
    *octets = 0;
    return nullptr;
}

/// How GPGME starts programs, in a child of its own.
int execv(const char* path, char* const arguments[]) {
    if (kind == Kind::exec) {
        const long call = ++calls();
        note(call, path);
        if (call == fault) {
            (void)std::raise(SIGKILL);
        }
    }
    if (kind == Kind::space) {
        std::signal(SIGXFSZ, SIG_IGN); // write() fails instead, as on a full disk
        const rlimit most{static_cast<rlim_t>(fault), static_cast<rlim_t>(fault)};
        (void)::setrlimit(RLIMIT_FSIZE, &most);
    }
    return real<decltype(execv)>("execv")(path, arguments);
}

} // extern "C"
