/* Makes a process repeat itself: what it takes for chance comes from a seed, and the time of day stands still.
 *
 * Loaded with LD_PRELOAD into a simulated run, whose wall clocks come from the simulation. Everything else in the process that
 * asks for chance (hash maps, identifiers, pauses) or for the time of day (HTTP's date header) then gets the same each time.
 * Nothing here is for secrets. */
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
    return real(clock, time);
}
