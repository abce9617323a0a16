// Sealing whole messages in memory, the certificate in cache.
#include "crypto/seal.hpp"
#include "tests/bench/support.hpp"

#include <benchmark/benchmark.h>

using namespace lockbox;

namespace {

void seal(benchmark::State& state, const std::string& name) {
    const auto message = bench::message_of(static_cast<std::size_t>(state.range(0)));
    const auto recipients = crypto::Recipients::from({bench::certificate(name)});
    crypto::Sealer sealer;
    for (auto _ : state) {
        benchmark::DoNotOptimize(crypto::seal(message.header, message.body, *recipients,
                                              mail::OuterSubject::obscured, sealer, {}));
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}

void seal_smime(benchmark::State& state, const std::string& name, crypto::ContentEncryption encryption) {
    const auto message = bench::message_of(static_cast<std::size_t>(state.range(0)));
    const auto recipients = crypto::Recipients::from({bench::smime_certificate(name, encryption)});
    crypto::Sealer sealer;
    for (auto _ : state) {
        benchmark::DoNotOptimize(
            crypto::seal(message.header, message.body, *recipients, mail::OuterSubject::kept, sealer, {}));
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}

void load_certificate(benchmark::State& state, const std::string& name) {
    const auto message = bench::message_of(5 << 10);
    const auto recipients = crypto::Recipients::from({bench::certificate(name)});
    for (auto _ : state) {
        crypto::Sealer sealer;
        benchmark::DoNotOptimize(crypto::seal(message.header, message.body, *recipients,
                                              mail::OuterSubject::obscured, sealer, {}));
    }
}

} // namespace

BENCHMARK_CAPTURE(seal, cv25519, "alice")
    ->Arg(5 << 10)
    ->Arg(100 << 10)
    ->Arg(5 << 20)
    ->Arg(25 << 20)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(seal, rsa2048, "bob")->Arg(5 << 10)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(seal, nistp256, "p256")->Arg(5 << 10)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(load_certificate, cv25519, "alice")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(load_certificate, rsa2048, "bob")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(seal_smime, rsa2048_cbc, "alice", crypto::ContentEncryption::aes256_cbc)
    ->Arg(5 << 10)
    ->Arg(25 << 20)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(seal_smime, p256_gcm, "p256", crypto::ContentEncryption::aes256_gcm)
    ->Arg(5 << 10)
    ->Arg(25 << 20)
    ->Unit(benchmark::kMicrosecond);
