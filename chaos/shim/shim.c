/*
 * Stands between a replica and its disk and wall clock (LD_PRELOAD). Levers and counters lie in one shared file, the
 * board, which the harness writes and reads while the replica runs; see board.rs for the same numbers. What the
 * replica does to files under its data directory is noted in a journal before it is done, with the bytes that it
 * replaces, so that a power cut can take back what was never synced; see journal.rs for the same layout.
 *
 * All but the clock goes to the kernel directly: nothing here depends on which other library comes next.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

enum lever {
    ATTACHED,       /* the process id, written here */
    SYNC_ERROR,     /* errno of every sync; 0: none */
    WRITE_ERROR,    /* errno of every write and creation; 0: none */
    SYNC_DELAY_US,
    WRITE_DELAY_US,
    CLOCK_OFFSET_MS, /* signed; added to the wall clock */
    STROBE_MS,      /* the offset comes and goes with this period; 0: it stays */
    FORGET_SYNCS,   /* 1: syncs are not noted, as if they had made nothing durable */
    LEVERS,
    SYNCS = 16,
    FAILED_SYNCS,
    FAILED_WRITES,
    DELAYED,
    SHIFTED,        /* readings of the wall clock with the offset */
    NOTED,          /* journal records */
    TROUBLE,        /* something that the journal could not take; its power cuts are worth nothing */
    SLOTS = 32,
};

enum kind { WRITE = 1, TRUNCATE, SYNC_BEGINS, SYNC_ENDS, CREATE, RENAME, UNLINK, MKDIR, RMDIR };

struct record {
    uint32_t magic, kind;
    uint64_t id;       /* of a sync; number of the kept file of an unlink or rename, 0: none */
    uint64_t inode;    /* of the file, or of the directory that a name lies in */
    uint64_t offset;   /* of a write; the new length of a truncation */
    uint64_t old_size; /* of the file before */
    uint32_t name_bytes, data_bytes; /* what follows */
};

#define MAGIC 0x4e415653u

static _Atomic int64_t *board;
static int journal = -1;
static char data_dir[PATH_MAX], kept_dir[PATH_MAX];
static size_t data_bytes;
static dev_t data_device;
static _Atomic uint64_t next_id;
static uint64_t process;
/* Held over note and deed, so that the journal has them in the order in which they took effect. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static char *old_bytes;
static size_t old_capacity;
static int (*next_clock)(clockid_t, struct timespec *);

static int64_t lever(int slot) { return board ? atomic_load_explicit(&board[slot], memory_order_relaxed) : 0; }
static void count(int slot) { if (board) atomic_fetch_add_explicit(&board[slot], 1, memory_order_relaxed); }

__attribute__((constructor)) static void attach(void)
{
    next_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const char *board_path = getenv("NAVARCH_SHIM_BOARD"), *journal_path = getenv("NAVARCH_SHIM_JOURNAL");
    const char *data = getenv("NAVARCH_SHIM_DATA"), *kept = getenv("NAVARCH_SHIM_KEPT");
    if (!board_path || !journal_path || !data || !kept) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, board_path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) return;
    void *mapped = mmap(NULL, SLOTS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (mapped == MAP_FAILED) return;
    int notes = (int)syscall(SYS_openat, AT_FDCWD, journal_path, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
    if (notes < 0) return;
    /* Out of the way of descriptors that the replica counts on. */
    journal = (int)syscall(SYS_fcntl, notes, F_DUPFD_CLOEXEC, 900);
    syscall(SYS_close, notes);
    snprintf(data_dir, sizeof data_dir, "%s", data);
    snprintf(kept_dir, sizeof kept_dir, "%s", kept);
    data_bytes = strlen(data_dir);
    struct stat status;
    if (journal < 0 || fstatat(AT_FDCWD, kept_dir, &status, 0) != 0) return;
    data_device = status.st_dev;
    process = (uint64_t)syscall(SYS_getpid);
    board = mapped;
    atomic_store(&board[ATTACHED], (int64_t)process);
}

/* Whether an absolute path is the data directory or lies in it. */
static int is_ours(const char *path)
{
    return board && strncmp(path, data_dir, data_bytes) == 0 && (path[data_bytes] == '/' || path[data_bytes] == 0);
}

/* Whether a descriptor is a file or directory of the replica's data; `status` tells which. */
static int is_ours_fd(int fd, struct stat *status)
{
    if (!board || fstat(fd, status) != 0) return 0;
    if (!S_ISREG(status->st_mode) && !S_ISDIR(status->st_mode)) return 0;
    if (status->st_dev != data_device) return 0;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlink, link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return is_ours(path);
}

/* The absolute path of `path` below descriptor `at`; 0 if it is none of ours. */
static int resolve(int at, const char *path, char *absolute)
{
    if (!board || !path) return 0;
    if (path[0] == '/') {
        snprintf(absolute, PATH_MAX, "%s", path);
    } else if (at == AT_FDCWD) {
        return 0;
    } else {
        char link[64], folder[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t length = syscall(SYS_readlink, link, folder, sizeof folder - 1);
        if (length <= 0) return 0;
        folder[length] = 0;
        if (snprintf(absolute, PATH_MAX, "%s/%s", folder, path) >= PATH_MAX) return 0;
    }
    return is_ours(absolute);
}

static uint64_t folder_inode(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    struct stat status;
    if (!slash) return 0;
    *slash = 0;
    return fstatat(AT_FDCWD, folder, &status, 0) == 0 ? status.st_ino : 0;
}

/* One record, whole or not at all as far as a kill is concerned. */
static void note(struct record *record, const char *name, const char *data)
{
    record->magic = MAGIC;
    struct iovec parts[3] = {
        {record, sizeof *record}, {(void *)name, record->name_bytes}, {(void *)data, record->data_bytes}};
    ssize_t whole = (ssize_t)(sizeof *record + record->name_bytes + record->data_bytes);
    if (syscall(SYS_writev, journal, parts, 3) != whole) count(TROUBLE);
    else count(NOTED);
}

/* Reads what lies at `offset`, up to `length` bytes, into `old_bytes`; answers how much there is. */
static uint32_t remember(int fd, off_t offset, size_t length, off_t size)
{
    if (offset >= size) return 0;
    size_t there = (size_t)(size - offset);
    if (there > length) there = length;
    if (there > old_capacity) {
        char *grown = realloc(old_bytes, there);
        if (!grown) { count(TROUBLE); return 0; }
        old_bytes = grown;
        old_capacity = there;
    }
    size_t done = 0;
    /* The descriptor may be for writing only: the file is opened once more. */
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int again = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    if (again < 0) { count(TROUBLE); return 0; }
    while (done < there) {
        ssize_t got = syscall(SYS_pread64, again, old_bytes + done, there - done, offset + (off_t)done);
        if (got <= 0) break;
        done += (size_t)got;
    }
    syscall(SYS_close, again);
    return (uint32_t)done;
}

static void wait_us(int64_t us)
{
    if (us <= 0) return;
    struct timespec time = {us / 1000000, (us % 1000000) * 1000};
    count(DELAYED);
    syscall(SYS_nanosleep, &time, NULL);
}

/* -1 with errno set if writes are to fail now. */
static int write_may(void)
{
    int64_t error = lever(WRITE_ERROR);
    wait_us(lever(WRITE_DELAY_US));
    if (!error) return 0;
    count(FAILED_WRITES);
    errno = (int)error;
    return -1;
}

static size_t total(const struct iovec *parts, int n)
{
    size_t sum = 0;
    for (int i = 0; i < n; i++) sum += parts[i].iov_len;
    return sum;
}

/* `offset` < 0: where the descriptor stands. */
static ssize_t put(int fd, const struct iovec *parts, int n, off_t offset)
{
    struct stat status;
    int ours = is_ours_fd(fd, &status) && S_ISREG(status.st_mode);
    if (ours && write_may() != 0) return -1;
    if (ours) {
        pthread_mutex_lock(&gate);
        fstat(fd, &status);
        off_t at = offset;
        if (at < 0) {
            int flags = (int)syscall(SYS_fcntl, fd, F_GETFL);
            at = flags & O_APPEND ? status.st_size : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
        }
        struct record record = {.kind = WRITE, .inode = status.st_ino, .offset = (uint64_t)at,
                                .old_size = (uint64_t)status.st_size};
        record.data_bytes = remember(fd, at, total(parts, n), status.st_size);
        note(&record, NULL, old_bytes);
    }
    ssize_t done = offset < 0 ? syscall(SYS_writev, fd, parts, n)
                              : syscall(SYS_pwritev, fd, parts, n, (unsigned long)offset, 0UL);
    if (ours) {
        int error = errno;
        pthread_mutex_unlock(&gate);
        errno = error;
    }
    return done;
}

PUBLIC ssize_t write(int fd, const void *data, size_t length)
{
    if (!board) return syscall(SYS_write, fd, data, length);
    struct stat status;
    /* Sockets and pipes keep their own call. */
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return syscall(SYS_write, fd, data, length);
    struct iovec part = {(void *)data, length};
    return put(fd, &part, 1, -1);
}

PUBLIC ssize_t writev(int fd, const struct iovec *parts, int n) { return put(fd, parts, n, -1); }
PUBLIC ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t offset) { return put(fd, parts, n, offset); }
PUBLIC ssize_t pwritev64(int fd, const struct iovec *parts, int n, off64_t offset) { return put(fd, parts, n, offset); }

PUBLIC ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
    struct iovec part = {(void *)data, length};
    return put(fd, &part, 1, offset);
}

PUBLIC ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    return pwrite64(fd, data, length, offset);
}

static int sync_file(int fd, long call)
{
    struct stat status;
    if (!is_ours_fd(fd, &status)) return (int)syscall(call, fd);
    wait_us(lever(SYNC_DELAY_US));
    int64_t error = lever(SYNC_ERROR);
    if (error) {
        count(FAILED_SYNCS);
        errno = (int)error;
        return -1;
    }
    struct record record = {.kind = SYNC_BEGINS, .inode = status.st_ino};
    record.id = process << 32 | (atomic_fetch_add(&next_id, 1) & 0xffffffffu);
    int noted = !lever(FORGET_SYNCS);
    if (noted) {
        pthread_mutex_lock(&gate);
        note(&record, NULL, NULL);
        pthread_mutex_unlock(&gate);
    }
    int done = (int)syscall(call, fd);
    if (done == 0 && noted) {
        record.kind = SYNC_ENDS;
        pthread_mutex_lock(&gate);
        note(&record, NULL, NULL);
        pthread_mutex_unlock(&gate);
        count(SYNCS);
    }
    return done;
}

PUBLIC int fsync(int fd) { return sync_file(fd, SYS_fsync); }
PUBLIC int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

/* It makes nothing durable: it leaves the disk's cache and the file's length as they are. */
PUBLIC int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags)
{
    return (int)syscall(SYS_sync_file_range, fd, offset, length, flags);
}

static int cut_to(int fd, off64_t length)
{
    struct stat status;
    if (!is_ours_fd(fd, &status)) return (int)syscall(SYS_ftruncate, fd, length);
    if (write_may() != 0) return -1;
    pthread_mutex_lock(&gate);
    fstat(fd, &status);
    struct record record = {.kind = TRUNCATE, .inode = status.st_ino, .offset = (uint64_t)length,
                            .old_size = (uint64_t)status.st_size};
    if (length < status.st_size)
        record.data_bytes = remember(fd, length, (size_t)(status.st_size - length), status.st_size);
    note(&record, NULL, old_bytes);
    int done = (int)syscall(SYS_ftruncate, fd, length), error = errno;
    pthread_mutex_unlock(&gate);
    errno = error;
    return done;
}

PUBLIC int ftruncate(int fd, off_t length) { return cut_to(fd, length); }
PUBLIC int ftruncate64(int fd, off64_t length) { return cut_to(fd, length); }

/* Room that is set aside in a file changes its length alone. */
static int set_aside(int fd, int mode, off64_t offset, off64_t length)
{
    struct stat status;
    if (!is_ours_fd(fd, &status)) return (int)syscall(SYS_fallocate, fd, mode, offset, length);
    if (mode != 0) { count(TROUBLE); errno = EOPNOTSUPP; return -1; }
    return offset + length > status.st_size ? cut_to(fd, offset + length) : 0;
}

PUBLIC int fallocate(int fd, int mode, off_t offset, off_t length) { return set_aside(fd, mode, offset, length); }
PUBLIC int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return set_aside(fd, mode, offset, length); }
PUBLIC int posix_fallocate(int fd, off_t offset, off_t length)
{
    return set_aside(fd, 0, offset, length) == 0 ? 0 : errno;
}
PUBLIC int posix_fallocate64(int fd, off64_t offset, off64_t length) { return posix_fallocate(fd, offset, length); }

/* Whoever is told that these are not to be had copies through `write`. */
PUBLIC ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags)
{
    struct stat status;
    if (is_ours_fd(out, &status)) { errno = ENOSYS; return -1; }
    return syscall(SYS_copy_file_range, in, from, out, to, length, flags);
}

PUBLIC ssize_t sendfile64(int out, int in, off64_t *offset, size_t length)
{
    struct stat status;
    if (is_ours_fd(out, &status)) { errno = ENOSYS; return -1; }
    return syscall(SYS_sendfile, out, in, offset, length);
}
PUBLIC ssize_t sendfile(int out, int in, off_t *offset, size_t length) { return sendfile64(out, in, offset, length); }

static void note_name(int kind, const char *path, uint64_t kept)
{
    struct record record = {.kind = (uint32_t)kind, .id = kept, .inode = folder_inode(path)};
    record.name_bytes = (uint32_t)strlen(path);
    note(&record, path, NULL);
}

static int open_at(int at, const char *path, int flags, mode_t mode)
{
    char absolute[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !resolve(at, path, absolute))
        return (int)syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&gate);
    struct stat status;
    int is_new = fstatat(AT_FDCWD, absolute, &status, 0) != 0;
    int fd;
    if (is_new && flags & O_CREAT) {
        if (write_may() != 0) { pthread_mutex_unlock(&gate); return -1; }
        note_name(CREATE, absolute, 0);
        fd = (int)syscall(SYS_openat, at, path, flags, mode);
        int error = errno;
        pthread_mutex_unlock(&gate);
        errno = error;
        return fd;
    }
    pthread_mutex_unlock(&gate);
    fd = (int)syscall(SYS_openat, at, path, flags & ~O_TRUNC, mode);
    if (fd >= 0 && flags & O_TRUNC && cut_to(fd, 0) != 0) {
        int error = errno;
        syscall(SYS_close, fd);
        errno = error;
        return -1;
    }
    return fd;
}

static mode_t mode_of(int flags, va_list more)
{
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? (mode_t)va_arg(more, unsigned) : 0;
}

#define WITH_MODE(name, ...)                                                   \
    va_list more;                                                              \
    va_start(more, flags);                                                     \
    mode_t mode = mode_of(flags, more);                                        \
    va_end(more);                                                              \
    return open_at(__VA_ARGS__, flags, mode)

PUBLIC int open(const char *path, int flags, ...) { WITH_MODE(open, AT_FDCWD, path); }
PUBLIC int open64(const char *path, int flags, ...) { WITH_MODE(open64, AT_FDCWD, path); }
PUBLIC int openat(int at, const char *path, int flags, ...) { WITH_MODE(openat, at, path); }
PUBLIC int openat64(int at, const char *path, int flags, ...) { WITH_MODE(openat64, at, path); }

/* A second name for what is about to lose its last one; answers its number, 0 if there is nothing to keep. */
static uint64_t keep(const char *path)
{
    struct stat status;
    if (fstatat(AT_FDCWD, path, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode)) return 0;
    uint64_t number = process << 32 | ((atomic_fetch_add(&next_id, 1) + 1) & 0xffffffffu);
    char kept[PATH_MAX + 32];
    snprintf(kept, sizeof kept, "%s/%llu", kept_dir, (unsigned long long)number);
    if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, kept, 0) != 0) { count(TROUBLE); return 0; }
    return number;
}

static int rename_at(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    char old_path[PATH_MAX], new_path[PATH_MAX];
    struct stat status;
    int is_ours = resolve(from_at, from, old_path) && resolve(to_at, to, new_path);
    /* What the kernel will refuse changes nothing, and is not noted. */
    int refused = is_ours && (fstatat(AT_FDCWD, old_path, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
                              (flags & RENAME_NOREPLACE && fstatat(AT_FDCWD, new_path, &status, 0) == 0));
    if (!is_ours || refused) return (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
    if (write_may() != 0) return -1;
    pthread_mutex_lock(&gate);
    uint64_t kept = keep(new_path);
    char both[2 * PATH_MAX];
    size_t length = strlen(old_path);
    memcpy(both, old_path, length + 1);
    strcpy(both + length + 1, new_path);
    struct record record = {.kind = RENAME, .id = kept, .inode = folder_inode(new_path)};
    record.name_bytes = (uint32_t)(length + 1 + strlen(new_path));
    note(&record, both, NULL);
    int done = (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags), error = errno;
    if (done != 0) count(TROUBLE);
    pthread_mutex_unlock(&gate);
    errno = error;
    return done;
}

PUBLIC int rename(const char *from, const char *to) { return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0); }
PUBLIC int renameat(int from_at, const char *from, int to_at, const char *to)
{
    return rename_at(from_at, from, to_at, to, 0);
}
PUBLIC int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    return rename_at(from_at, from, to_at, to, flags);
}

static int remove_at(int at, const char *path, int flags)
{
    char absolute[PATH_MAX];
    struct stat status;
    if (!resolve(at, path, absolute) || fstatat(AT_FDCWD, absolute, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return (int)syscall(SYS_unlinkat, at, path, flags);
    pthread_mutex_lock(&gate);
    if (flags & AT_REMOVEDIR) note_name(RMDIR, absolute, 0);
    else if (S_ISREG(status.st_mode)) note_name(UNLINK, absolute, keep(absolute));
    int done = (int)syscall(SYS_unlinkat, at, path, flags), error = errno;
    pthread_mutex_unlock(&gate);
    errno = error;
    return done;
}

PUBLIC int unlink(const char *path) { return remove_at(AT_FDCWD, path, 0); }
PUBLIC int unlinkat(int at, const char *path, int flags) { return remove_at(at, path, flags); }
PUBLIC int rmdir(const char *path) { return remove_at(AT_FDCWD, path, AT_REMOVEDIR); }

static int make_directory(int at, const char *path, mode_t mode)
{
    char absolute[PATH_MAX];
    struct stat status;
    if (!resolve(at, path, absolute) || fstatat(AT_FDCWD, absolute, &status, 0) == 0)
        return (int)syscall(SYS_mkdirat, at, path, mode);
    if (write_may() != 0) return -1;
    pthread_mutex_lock(&gate);
    note_name(MKDIR, absolute, 0);
    int done = (int)syscall(SYS_mkdirat, at, path, mode), error = errno;
    pthread_mutex_unlock(&gate);
    errno = error;
    return done;
}

PUBLIC int mkdir(const char *path, mode_t mode) { return make_directory(AT_FDCWD, path, mode); }
PUBLIC int mkdirat(int at, const char *path, mode_t mode) { return make_directory(at, path, mode); }

static int read_clock(clockid_t clock, struct timespec *time)
{
    return next_clock ? next_clock(clock, time) : (int)syscall(SYS_clock_gettime, clock, time);
}

PUBLIC int clock_gettime(clockid_t clock, struct timespec *time)
{
    int done = read_clock(clock, time);
    if (done != 0 || !board || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return done;
    int64_t offset = lever(CLOCK_OFFSET_MS), period = lever(STROBE_MS);
    if (!offset) return done;
    if (period > 0) {
        struct timespec steady;
        read_clock(CLOCK_MONOTONIC, &steady);
        int64_t ms = (int64_t)steady.tv_sec * 1000 + steady.tv_nsec / 1000000;
        if (ms / period % 2) return done;
    }
    int64_t nanos = (int64_t)time->tv_nsec + offset % 1000 * 1000000;
    time->tv_sec += offset / 1000;
    if (nanos < 0) { nanos += 1000000000; time->tv_sec -= 1; }
    if (nanos >= 1000000000) { nanos -= 1000000000; time->tv_sec += 1; }
    time->tv_nsec = nanos;
    count(SHIFTED);
    return done;
}

PUBLIC int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) == 0) {
        time->tv_sec = now.tv_sec;
        time->tv_usec = now.tv_nsec / 1000;
    }
    return 0;
}

PUBLIC time_t time(time_t *out)
{
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
