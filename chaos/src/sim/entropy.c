/* Makes a process repeat itself: what it takes for chance comes from a seed, the time of day stands still, and other time
 * passes by being asked for.
 *
 * Loaded with LD_PRELOAD into a simulated run, whose clocks come from the simulation. Everything else in the process that asks
 * for chance (hash maps, identifiers, pauses), for the time of day (HTTP's date header) or for time that has passed (how long
 * HTTP/2 remembers a stream that was reset) then gets the same each time, however busy the machine is. Nothing here is for
 * secrets. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>

/* The functions here are to be found in place of the system's. */
#pragma GCC visibility push(default)

/* 2026-01-01T00:00:00Z */
#define TIME_OF_DAY 1767225600
/* So much later is each reading of a clock that counts time, nanoseconds: as long as simulated work really takes, about. */
#define READING 1000

static uint64_t state;
static int seeded;

/* SplitMix64 (Steele, Lea, Flood 2014): one multiplication chain a word, any seed will do. */
static uint64_t next(void) {
    uint64_t word = __atomic_add_fetch(&state, 0x9e3779b97f4a7c15u, __ATOMIC_RELAXED);
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
    return word ^ (word >> 31);
}

static void seed(void) {
    if (!seeded) {
        const char *text = getenv("NAVARCH_SIM_ENTROPY");
        state = text ? strtoull(text, NULL, 10) : 0;
        seeded = 1;
    }
}

ssize_t getrandom(void *buffer, size_t length, unsigned int flags) {
    unsigned char *bytes = buffer;
    (void)flags;
    seed();
    for (size_t at = 0; at < length; at += 8) {
        uint64_t word = next();
        for (size_t byte = 0; byte < 8 && at + byte < length; byte++) {
            bytes[at + byte] = (unsigned char)(word >> (8 * byte));
        }
    }
    return (ssize_t)length;
}

int getentropy(void *buffer, size_t length) {
    getrandom(buffer, length, 0);
    return 0;
}

typedef int clock_reader(clockid_t, struct timespec *);

/* Begins where the system's clock is, so that a deadline reckoned from it is not long past for the system. It soon falls
 * behind: nothing in a simulated run may wait on the system's clock. One thread reads it, or readings would not repeat. */
static void count_time(clock_reader *real, struct timespec *time) {
    static uint64_t counted;
    uint64_t unset = 0;
    if (!__atomic_load_n(&counted, __ATOMIC_RELAXED)) {
        real(CLOCK_MONOTONIC, time);
        uint64_t begin = (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
        __atomic_compare_exchange_n(&counted, &unset, begin, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    uint64_t now = __atomic_add_fetch(&counted, READING, __ATOMIC_RELAXED);
    time->tv_sec = (time_t)(now / 1000000000u);
    time->tv_nsec = (long)(now % 1000000000u);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static clock_reader *real;
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        time->tv_sec = TIME_OF_DAY;
        time->tv_nsec = 0;
        return 0;
    }
    if (!real) {
        real = (clock_reader *)dlsym(RTLD_NEXT, "clock_gettime");
    }
    if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE ||
        clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_BOOTTIME) {
        count_time(real, time);
        return 0;
    }
    return real(clock, time);
}
