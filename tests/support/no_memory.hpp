// Memory that runs out when a test wants it to. For one file of a test program: it replaces operator new.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

namespace lockbox::test {

inline thread_local std::size_t memory_octets_max = std::numeric_limits<std::size_t>::max();

/// As long as it lives, this thread gets no more than so many octets at once.
class NoMemoryFor {
public:
    explicit NoMemoryFor(std::size_t more_than) noexcept { memory_octets_max = more_than; }
    ~NoMemoryFor() { memory_octets_max = std::numeric_limits<std::size_t>::max(); }
    NoMemoryFor(const NoMemoryFor&) = delete;
    NoMemoryFor& operator=(const NoMemoryFor&) = delete;
};

} // namespace lockbox::test

void* operator new(std::size_t octets) {
    void* memory =
        octets <= lockbox::test::memory_octets_max ? std::malloc(octets > 0 ? octets : 1) : nullptr;
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}
void* operator new(std::size_t octets, const std::nothrow_t&) noexcept {
    return std::malloc(octets > 0 ? octets : 1);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
