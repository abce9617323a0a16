// Whole messages through a milter socket.
#include "crypto/seal.hpp"
#include "keyring/import.hpp"
#include "tests/bench/milter_client.hpp"
#include "tests/bench/support.hpp"

#include <benchmark/benchmark.h>

#include <array>

using namespace lockbox;
using bench::MilterProcess;
using bench::MtaConnection;

namespace {

/// Imports a file below tests/data; `encryption` says how an S/MIME reader is served.
void import_file(keyring::Keyring& keyring, const std::string& certificate,
                 crypto::ContentEncryption encryption) {
    crypto::Sealer sealer;
    const auto file = std::string(LOCKBOX_TEST_DATA) + certificate;
    keyring::ImportOptions options;
    options.authorities = crypto::TrustedAuthorities::load(
        {LOCKBOX_TEST_DATA "/smime/root.pem", LOCKBOX_TEST_DATA "/smime/issuing.pem"});
    options.content_encryption = encryption;
    (void)keyring::import_certificates(read_file(file, 1U << 20U), file, keyring, sealer, now(), options);
}

/// Wall time for each message; `cpu_us` is what the milter's process took, `peak` its largest memory over the
/// message's size.
void through_milter(benchmark::State& state, const std::string& certificate, const std::string& recipient,
                    crypto::ContentEncryption encryption) {
    const TemporaryDirectory directory;
    const auto keyring_path = (directory.path() / "k.db").string();
    {
        auto keyring = keyring::Keyring::open(keyring::Location{keyring_path}, keyring::Access::create);
        import_file(keyring, certificate, encryption);
    }
    const MilterProcess milter(keyring_path);
    const std::array<std::string, 1> to{recipient};
    MtaConnection mta(milter.socket_path());
    const auto message = bench::message_of(static_cast<std::size_t>(state.range(0)));
    const auto warm = bench::message_of(5 << 10);
    if (!mta.deliver(warm, to)) {
        state.SkipWithError("not sealed");
        return;
    }
    milter.reset_peak();
    const auto before = milter.cpu_seconds();
    for (auto _ : state) {
        if (!mta.deliver(message, to)) {
            state.SkipWithError("not sealed");
        }
    }
    state.counters["cpu_us"] =
        (milter.cpu_seconds() - before) * 1e6 / static_cast<double>(state.iterations());
    state.counters["peak_MiB"] = milter.peak_octets() / (1 << 20);
    state.counters["peak_per_octet"] = milter.peak_octets() / static_cast<double>(message.body.size());
}

void message_through_milter(benchmark::State& state) {
    through_milter(state, "/openpgp/alice.asc", "alice@example.org", crypto::ContentEncryption::aes256_cbc);
}
void smime_through_milter(benchmark::State& state, const std::string& certificate,
                          const std::string& recipient, crypto::ContentEncryption encryption) {
    through_milter(state, "/smime/" + certificate, recipient, encryption);
}

} // namespace

BENCHMARK(message_through_milter)
    ->Arg(5 << 10)
    ->Arg(100 << 10)
    ->Arg(5 << 20)
    ->Arg(25 << 20)
    ->Arg(50 << 20)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(smime_through_milter, rsa2048_cbc, "alice.pem", "alice@example.org",
                  crypto::ContentEncryption::aes256_cbc)
    ->Arg(5 << 10)
    ->Arg(25 << 20)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(smime_through_milter, p256_gcm, "p256.pem", "carol@example.org",
                  crypto::ContentEncryption::aes256_gcm)
    ->Arg(5 << 10)
    ->Arg(25 << 20)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();
