// Stands in for libFuzzer where there is none: feeds every file of the directories named on the command line
// to the fuzzer it is linked with. A property that does not hold aborts; the file was named before.
#include "base/file.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

namespace {

constexpr std::size_t input_octets_max = 10'000'000;

std::vector<std::filesystem::path> files_in(const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        if (entry.is_regular_file()) {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

void feed(const std::string& input) {
    static_cast<void>(
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size()));
}

} // namespace

int main(int argc, char** argv) {
    try {
        std::size_t count = 0;
        feed("");
        for (int i = 1; i < argc; ++i) {
            for (const auto& file : files_in(argv[i])) {
                std::printf("%s\n", file.c_str());
                std::fflush(stdout);
                feed(lockbox::read_file(file, input_octets_max));
                ++count;
            }
        }
        std::printf("%zu inputs\n", count);
        return count > 0 ? 0 : 1; // a corpus that got lost must not look like success
    } catch (const std::exception& error) {
        std::fprintf(stderr, "replay: error: %s\n", error.what());
        return 1;
    }
}
