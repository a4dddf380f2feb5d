/* Owns: a disk that forgets what was not synced, and other things that disks and clocks do, for one process that is started
 * with this library preloaded. Never: loses what a sync promised; touches a file outside of UNSYNCED_ROOT.
 *
 * Below the folder UNSYNCED_ROOT every write, cut and change of a name goes to the real files, and the process sees them as
 * ever. Beside it, the folder UNSYNCED_IMAGE says what a power cut would leave:
 *
 *   inodes/SERIAL.INODE   what is durable of the content of the file INODE; SERIAL.0 once the file has no name any more
 *   names                 what is durable of the folders: a line "FOLDER/NAME<tab>SERIAL" each, with "-" for a folder
 *
 * A sync of a file copies what was written since its last one; a sync of a folder makes the names in it durable. All of it is
 * in files before the sync returns, so that SIGKILL takes nothing away. No sync reaches the real disk. What happens after a
 * power cut is the harness's: it puts the image where the folder was (see mod.rs).
 *
 * UNSYNCED_NAMES says when names last: "folder" (default) with a sync of their folder, which is all that POSIX promises;
 * "journal" with any sync, and a file's being cut short too, as a file system does that commits its whole journal;
 * "at-once" with the change itself.
 *
 * Faults are numbers in the file UNSYNCED_CONTROL (see `struct control`), which may be changed while the process runs. They
 * hold for files whose path below the root matches UNSYNCED_MATCH.
 *
 * 64-bit Linux. A folder is never renamed, a tracked file never written through a mapping.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {
    int64_t clock_ns;    /* what is added to the wall clock */
    int64_t sync_ns;     /* how long a sync takes */
    int64_t lies;        /* not 0: a matching sync says that it is done and keeps nothing */
    int64_t sync_eio_in; /* the n-th matching sync from now fails, and what it should have kept is gone; -1: each */
    int64_t room_bytes;  /* what may still be written to matching files before the disk is full; -1: no end */
    int64_t kill_in;     /* SIGKILL before the n-th matching sync or change of a name from now; 0: never */
    int64_t reads_short; /* not 0: reads return less than was asked for, by this seed */
    int64_t read_eio_in; /* the n-th matching read from now fails; -1: each */
    int64_t events;      /* counts matching syncs and changes of names */
    int64_t faults;      /* counts faults that were put in */
};

struct file {
    struct file *next;
    ino_t ino;
    long serial;
    int gone;          /* no name is left */
    off_t low, high;   /* written since the last sync: from, to; none if high is 0 */
    off_t cut;         /* the shortest that it was since the last sync */
    pthread_mutex_t syncing;
    char path[512];    /* below the root */
};

struct entry { char name[256]; long serial; };           /* serial -1: a folder */
struct folder { ino_t ino; char path[512]; struct entry *durable; int count; };

enum names { WITH_FOLDER, WITH_JOURNAL, AT_ONCE };
enum { BUCKETS = 4096, FOLDERS = 64, COPY = 1 << 18 };

static int active;
static char root[PATH_MAX], image[PATH_MAX];
static const char *match = "*";
static enum names names_last;
static dev_t device;
static struct control still = { .room_bytes = -1 }, *control = &still;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for all below; `syncing` is taken before it */
static struct file *files[BUCKETS];
static struct folder folders[FOLDERS];
static int folder_count, names_changed;
static long serials;

/* The calls themselves. */
static int sys_open(const char *p, int f, mode_t m) { return syscall(SYS_openat, AT_FDCWD, p, f, m); }
static ssize_t sys_pread(int fd, void *b, size_t n, off_t at) { return syscall(SYS_pread64, fd, b, n, at); }
static ssize_t sys_pwrite(int fd, const void *b, size_t n, off_t at) { return syscall(SYS_pwrite64, fd, b, n, at); }
static int sys_close(int fd) { return syscall(SYS_close, fd); }
static int sys_truncate(int fd, off_t n) { return syscall(SYS_ftruncate, fd, n); }
static int sys_rename(const char *a, const char *b) { return syscall(SYS_renameat, AT_FDCWD, a, AT_FDCWD, b); }
static int sys_unlink(const char *p, int flags) { return syscall(SYS_unlinkat, AT_FDCWD, p, flags); }

static void must(int good, const char *what) {
    if (good) return;
    fprintf(stderr, "unsynced: %s: %s\n", what, strerror(errno));
    abort();
}

/* Counts down to a fault: whether this is the one. */
static int is_due(int64_t *in) {
    int64_t left = __atomic_load_n(in, __ATOMIC_RELAXED);
    do {
        if (!left) return 0;
    } while (left > 0 && !__atomic_compare_exchange_n(in, &left, left - 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    if (left > 1) return 0;
    __atomic_add_fetch(&control->faults, 1, __ATOMIC_RELAXED);
    return 1;
}

static int matches(const char *path) { return fnmatch(match, path, 0) == 0; }

/* Is called before each sync and each change of a name. */
static void event(const char *path) {
    if (!matches(path)) return;
    __atomic_add_fetch(&control->events, 1, __ATOMIC_RELAXED);
    if (is_due(&control->kill_in))
        for (kill(getpid(), SIGKILL);;) pause();
}

/* Gives the path below the root, "" for the root; NULL for one outside. */
static const char *below(const char *path, char out[PATH_MAX]) {
    size_t n = strlen(root), at = 0;
    if (!active || strncmp(path, root, n) != 0 || (path[n] && path[n] != '/')) return NULL;
    for (path += n; *path == '/'; path++) {}
    for (; *path && at < PATH_MAX - 1; path++)
        if (!(*path == '/' && (path[1] == '/' || !path[1]))) out[at++] = *path;
    out[at] = 0;
    return out;
}

static const char *folder_of(const char *path, char out[PATH_MAX]) {
    const char *slash = strrchr(path, '/');
    snprintf(out, PATH_MAX, "%.*s", slash ? (int)(slash - path) : 0, path);
    return out;
}

static struct folder *folder_at(const char *path) {
    for (int i = 0; i < folder_count; i++)
        if (strcmp(folders[i].path, path) == 0) return &folders[i];
    return NULL;
}

static struct folder *add_folder(const char *path, ino_t ino) {
    struct folder *found = folder_at(path);
    must(found || folder_count < FOLDERS, "too many folders");
    if (!found) found = &folders[folder_count++];
    snprintf(found->path, sizeof found->path, "%s", path);
    free(found->durable);
    found->ino = ino, found->durable = NULL, found->count = 0;
    return found;
}

static struct file *find(ino_t ino) {
    struct file *f = files[ino % BUCKETS];
    while (f && (f->gone || f->ino != ino)) f = f->next;
    return f;
}

static void image_path(const struct file *f, int gone, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%s/inodes/%ld.%lu", image, f->serial, gone ? 0UL : (unsigned long)f->ino);
}

static struct file *add_file(const char *path, ino_t ino, long serial) {
    struct file *f = calloc(1, sizeof *f);
    must(f != NULL, "memory");
    f->ino = ino, f->serial = serial ? serial : ++serials, f->cut = -1;
    pthread_mutex_init(&f->syncing, NULL);
    snprintf(f->path, sizeof f->path, "%s", path);
    f->next = files[ino % BUCKETS], files[ino % BUCKETS] = f;
    char at[PATH_MAX];
    image_path(f, 0, at);
    int fd = sys_open(at, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    must(fd >= 0, at);
    sys_close(fd);
    return f;
}

static void dirty(struct file *f, off_t from, off_t to) {
    if (to <= from) return;
    if (!f->high || from < f->low) f->low = from;
    if (to > f->high) f->high = to;
}

/* Is what a file of this descriptor is to us; NULL if nothing. */
static struct file *tracked(int fd, struct stat *st) {
    if (!active || fstat(fd, st) != 0 || !S_ISREG(st->st_mode) || st->st_dev != device) return NULL;
    pthread_mutex_lock(&lock);
    struct file *f = find(st->st_ino);
    pthread_mutex_unlock(&lock);
    return f;
}

static void write_names(void) {
    char draft[PATH_MAX + 8], at[PATH_MAX];
    snprintf(at, sizeof at, "%.4000s/names", image);
    snprintf(draft, sizeof draft, "%s.draft", at);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    must(out != NULL, "memory");
    for (int i = 0; i < folder_count; i++)
        for (int j = 0; j < folders[i].count; j++) {
            struct entry *e = &folders[i].durable[j];
            fprintf(out, "%s%s%s\t", folders[i].path, *folders[i].path ? "/" : "", e->name);
            if (e->serial < 0) fprintf(out, "-\n"); else fprintf(out, "%ld\n", e->serial);
        }
    fclose(out);
    int fd = sys_open(draft, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    must(fd >= 0 && sys_pwrite(fd, text, size, 0) == (ssize_t)size, draft);
    sys_close(fd);
    free(text);
    must(sys_rename(draft, at) == 0, at);
}

/* Makes the names in a folder durable as they are. */
static void keep_names(struct folder *of) {
    char at[PATH_MAX];
    snprintf(at, sizeof at, "%.3000s/%s", root, of->path);
    DIR *dir = opendir(at);
    if (!dir) { of->count = 0; return; }
    free(of->durable);
    of->durable = NULL, of->count = 0;
    for (struct dirent *d; (d = readdir(dir));) {
        struct stat st;
        if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..")) continue;
        if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
        struct file *f = S_ISREG(st.st_mode) ? find(st.st_ino) : NULL;
        if (!f && !S_ISDIR(st.st_mode)) continue;
        of->durable = realloc(of->durable, (of->count + 1) * sizeof *of->durable);
        must(of->durable != NULL, "memory");
        struct entry *e = &of->durable[of->count++];
        snprintf(e->name, sizeof e->name, "%s", d->d_name);
        e->serial = f ? f->serial : -1;
    }
    closedir(dir);
}

static int is_named(long serial) {
    for (int i = 0; i < folder_count; i++)
        for (int j = 0; j < folders[i].count; j++)
            if (folders[i].durable[j].serial == serial) return 1;
    return 0;
}

/* Forgets files that have no name, neither here nor in the image. */
static void sweep(void) {
    for (int i = 0; i < BUCKETS; i++)
        for (struct file **at = &files[i]; *at;) {
            struct file *f = *at;
            if (!f->gone || is_named(f->serial)) { at = &f->next; continue; }
            char path[PATH_MAX];
            image_path(f, 1, path);
            sys_unlink(path, 0);
            *at = f->next; /* never freed: somebody may be syncing it */
        }
}

/* Makes every name durable, and that files were cut short, as a commit of the file system's journal does. */
static void keep_all_names(void) {
    if (!names_changed) return;
    names_changed = 0;
    for (int i = 0; i < BUCKETS; i++)
        for (struct file *f = files[i]; f; f = f->next) {
            if (f->gone || f->cut < 0) continue;
            char at[PATH_MAX];
            struct stat st;
            image_path(f, 0, at);
            if (stat(at, &st) == 0 && st.st_size > f->cut) must(truncate(at, f->cut) == 0, at);
            f->cut = -1;
        }
    for (int i = 0; i < folder_count; i++) keep_names(&folders[i]);
    write_names();
    sweep();
}

static void changed(void) {
    names_changed = 1;
    if (names_last == AT_ONCE) keep_all_names();
}

/* Copies what was written to a file since its last sync. */
static void keep_content(struct file *f, int fd) {
    char from[64], to[PATH_MAX];
    struct stat st;
    pthread_mutex_lock(&f->syncing);
    pthread_mutex_lock(&lock);
    off_t low = f->low, high = f->high;
    f->low = f->high = 0, f->cut = -1;
    image_path(f, f->gone, to);
    must(fstat(fd, &st) == 0, "fstat");
    int out = sys_open(to, O_WRONLY | O_CLOEXEC, 0);
    pthread_mutex_unlock(&lock);
    if (out >= 0) {
        snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
        int in = sys_open(from, O_RDONLY | O_CLOEXEC, 0);
        must(in >= 0, "the file to copy");
        static __thread char buffer[COPY];
        if (high > st.st_size) high = st.st_size;
        while (low < high) {
            ssize_t n = sys_pread(in, buffer, high - low < COPY ? high - low : COPY, low);
            if (n <= 0) break;
            must(sys_pwrite(out, buffer, n, low) == n, to);
            low += n;
        }
        must(sys_truncate(out, st.st_size) == 0, to);
        sys_close(in);
        sys_close(out);
    } /* else it lost its last name, and nobody will miss it */
    pthread_mutex_unlock(&f->syncing);
}

static int keep(int fd) {
    struct stat st;
    if (!active || fstat(fd, &st) != 0 || st.st_dev != device) return 0;
    pthread_mutex_lock(&lock);
    struct file *f = S_ISREG(st.st_mode) ? find(st.st_ino) : NULL;
    struct folder *d = NULL;
    for (int i = 0; S_ISDIR(st.st_mode) && i < folder_count; i++)
        if (folders[i].ino == st.st_ino) d = &folders[i];
    pthread_mutex_unlock(&lock);
    if (!f && !d) return 0;
    event(f ? f->path : d->path);
    int64_t ns = control->sync_ns;
    struct timespec rest = { ns / 1000000000, ns % 1000000000 };
    if (ns) syscall(SYS_nanosleep, &rest, NULL);
    if (matches(f ? f->path : d->path) && is_due(&control->sync_eio_in)) {
        if (f) pthread_mutex_lock(&lock), f->low = f->high = 0, pthread_mutex_unlock(&lock);
        return errno = EIO, -1;
    }
    if (control->lies && matches(f ? f->path : d->path)) return 0;
    if (f) keep_content(f, fd);
    pthread_mutex_lock(&lock);
    if (names_last != WITH_FOLDER) keep_all_names();
    else if (d) keep_names(d), write_names(), sweep();
    pthread_mutex_unlock(&lock);
    return 0;
}

/* Begins: a folder without an image is durable as it is; one with an image is compared with it. */

struct known { long serial; ino_t ino; };
static struct known *known;
static int known_count;

static void begin_file(const char *path, const struct stat *st, int is_new_image) {
    long serial = 0;
    for (int i = 0; i < known_count; i++)
        if (known[i].ino == st->st_ino) serial = known[i].serial;
    struct file *f = add_file(path, st->st_ino, serial);
    if (st->st_size) dirty(f, 0, st->st_size);
    if (is_new_image) {
        char at[PATH_MAX];
        snprintf(at, sizeof at, "%.3000s/%s", root, path);
        int fd = sys_open(at, O_RDONLY | O_CLOEXEC, 0);
        must(fd >= 0, at);
        keep_content(f, fd);
        sys_close(fd);
    }
}

static void begin_folder(const char *path, int is_new_image) {
    char at[PATH_MAX], inner[PATH_MAX];
    struct stat st;
    snprintf(at, sizeof at, "%.3000s/%s", root, path);
    DIR *dir = opendir(at);
    must(dir && fstat(dirfd(dir), &st) == 0, at);
    struct folder *f = add_folder(path, st.st_ino);
    for (struct dirent *d; (d = readdir(dir));) {
        if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..")) continue;
        if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
        snprintf(inner, sizeof inner, "%.3000s%s%s", path, *path ? "/" : "", d->d_name);
        if (S_ISDIR(st.st_mode)) begin_folder(inner, is_new_image);
        else if (S_ISREG(st.st_mode)) begin_file(inner, &st, is_new_image);
    }
    closedir(dir);
    if (is_new_image) keep_names(f);
}

/* Reads which files the image has; one that was not finished has none. */
static void read_known(const char *inodes, int is_new_image) {
    DIR *dir = opendir(inodes);
    must(dir != NULL, inodes);
    for (struct dirent *d; (d = readdir(dir));) {
        long serial;
        unsigned long ino;
        if (sscanf(d->d_name, "%ld.%lu", &serial, &ino) != 2) continue;
        if (is_new_image) {
            unlinkat(dirfd(dir), d->d_name, 0);
            continue;
        }
        if (serial > serials) serials = serial;
        known = realloc(known, (known_count + 1) * sizeof *known);
        must(known != NULL, "memory");
        known[known_count++] = (struct known){ serial, ino };
    }
    closedir(dir);
}

static void read_names(void) {
    char at[PATH_MAX], line[PATH_MAX], in[PATH_MAX];
    snprintf(at, sizeof at, "%.4000s/names", image);
    FILE *names = fopen(at, "r");
    must(names != NULL, at);
    while (fgets(line, sizeof line, names)) {
        char *tab = strchr(line, '\t');
        must(tab != NULL, at);
        *tab = 0;
        struct folder *f = folder_at(folder_of(line, in));
        if (!f) f = add_folder(in, 0);
        f->durable = realloc(f->durable, (f->count + 1) * sizeof *f->durable);
        must(f->durable != NULL, "memory");
        struct entry *e = &f->durable[f->count++];
        snprintf(e->name, sizeof e->name, "%s", strrchr(line, '/') ? strrchr(line, '/') + 1 : line);
        e->serial = tab[1] == '-' ? -1 : atol(tab + 1);
    }
    fclose(names);
}

__attribute__((constructor)) static void begin(void) {
    const char *r = getenv("UNSYNCED_ROOT"), *i = getenv("UNSYNCED_IMAGE"), *c = getenv("UNSYNCED_CONTROL");
    const char *n = getenv("UNSYNCED_NAMES"), *m = getenv("UNSYNCED_MATCH");
    if (c) {
        int fd = sys_open(c, O_RDWR | O_CLOEXEC, 0);
        must(fd >= 0, c);
        control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        must(control != MAP_FAILED, c);
        sys_close(fd);
    }
    if (!r || !i) return;
    if (m) match = m;
    if (n) names_last = !strcmp(n, "journal") ? WITH_JOURNAL : !strcmp(n, "at-once") ? AT_ONCE : WITH_FOLDER;
    snprintf(root, sizeof root, "%s", r);
    snprintf(image, sizeof image, "%s", i);
    struct stat st;
    must(stat(root, &st) == 0, root);
    device = st.st_dev;
    char inodes[PATH_MAX + 8], names[PATH_MAX + 8];
    snprintf(inodes, sizeof inodes, "%s/inodes", image);
    snprintf(names, sizeof names, "%s/names", image);
    int is_new = stat(names, &st) != 0;
    if (is_new) {
        syscall(SYS_mkdirat, AT_FDCWD, image, 0755);
        syscall(SYS_mkdirat, AT_FDCWD, inodes, 0755);
    }
    read_known(inodes, is_new);
    begin_folder("", is_new);
    if (is_new) write_names(); else read_names();
    active = 1;
}

/* What is called instead of the C library. */

static int open_as(int at, const char *path, int flags, mode_t mode) {
    char rel[PATH_MAX], in[PATH_MAX];
    struct stat st;
    const char *p = path[0] == '/' ? below(path, rel) : NULL;
    if (!p || !(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE)
        return syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&lock);
    int was = fstatat(AT_FDCWD, path, &st, 0) == 0;
    int is_change = !was && folder_at(folder_of(p, in));
    if (is_change) event(p);
    int fd = syscall(SYS_openat, at, path, flags, mode);
    int said = errno;
    if (fd >= 0 && is_change && fstat(fd, &st) == 0) {
        add_file(p, st.st_ino, 0);
        changed();
    } else if (fd >= 0 && was && (flags & O_TRUNC)) {
        struct file *f = find(st.st_ino);
        if (f) dirty(f, 0, st.st_size), f->cut = 0, changed();
    }
    pthread_mutex_unlock(&lock);
    errno = said;
    return fd;
}

#define MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list v; va_start(v, flags); mode = va_arg(v, mode_t); va_end(v); }
int open(const char *path, int flags, ...) { MODE return open_as(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return open_as(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE return open_as(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE return open_as(at, path, flags, mode); }
int creat(const char *path, mode_t mode) { return open_as(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* Takes room on the disk for up to `n` bytes. Returns how many there was room for; -1 with ENOSPC if none. */
static ssize_t take_room(struct file *f, size_t n) {
    if (control->room_bytes < 0 || !n || !matches(f->path)) return n;
    pthread_mutex_lock(&lock);
    ssize_t fits = control->room_bytes < (int64_t)n ? control->room_bytes : (int64_t)n;
    control->room_bytes -= fits;
    pthread_mutex_unlock(&lock);
    if (fits > 0) return fits;
    __atomic_add_fetch(&control->faults, 1, __ATOMIC_RELAXED);
    return errno = ENOSPC, -1;
}

/* `at` -1: where the descriptor stands. */
static ssize_t write_as(int fd, const struct iovec *parts, int count, off_t at) {
    struct stat st;
    struct file *f = tracked(fd, &st);
    if (!f) return at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, at, 0);
    size_t asked = 0;
    for (int i = 0; i < count; i++) asked += parts[i].iov_len;
    off_t from = at >= 0 ? at : (fcntl(fd, F_GETFL) & O_APPEND) ? st.st_size : lseek(fd, 0, SEEK_CUR);
    ssize_t room = take_room(f, asked), done;
    if (room < 0) return -1;
    if (room < (ssize_t)asked) /* what there is room for, of the first part */
        room = room < (ssize_t)parts[0].iov_len ? room : (ssize_t)parts[0].iov_len,
        done = at < 0 ? syscall(SYS_write, fd, parts[0].iov_base, room) : sys_pwrite(fd, parts[0].iov_base, room, at);
    else
        done = at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, at, 0);
    if (done > 0) {
        int said = errno;
        pthread_mutex_lock(&lock);
        dirty(f, from, from + done);
        pthread_mutex_unlock(&lock);
        errno = said;
    }
    return done;
}

ssize_t write(int fd, const void *b, size_t n) { struct iovec v = { (void *)b, n }; return write_as(fd, &v, 1, -1); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { struct iovec v = { (void *)b, n }; return write_as(fd, &v, 1, at); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) { return pwrite(fd, b, n, at); }
ssize_t writev(int fd, const struct iovec *v, int n) { return write_as(fd, v, n, -1); }
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at) { return write_as(fd, v, n, at); }
ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t at) { return write_as(fd, v, n, at); }

int fsync(int fd) { return keep(fd); }
int fdatasync(int fd) { return keep(fd); }
/* These promise nothing. */
int sync_file_range(int fd, off64_t a, off64_t n, unsigned f) { (void)fd, (void)a, (void)n, (void)f; return 0; }

int ftruncate(int fd, off_t n) {
    struct stat st;
    struct file *f = tracked(fd, &st);
    int r = sys_truncate(fd, n);
    if (r == 0 && f) {
        pthread_mutex_lock(&lock);
        dirty(f, n < st.st_size ? n : st.st_size, n < st.st_size ? st.st_size : n);
        if (n < st.st_size && (f->cut < 0 || n < f->cut)) f->cut = n, changed();
        pthread_mutex_unlock(&lock);
    }
    return r;
}
int ftruncate64(int fd, off64_t n) { return ftruncate(fd, n); }

int fallocate(int fd, int mode, off_t at, off_t n) {
    struct stat st;
    struct file *f = tracked(fd, &st);
    if (f && control->room_bytes >= 0 && control->room_bytes < n && matches(f->path)) return errno = ENOSPC, -1;
    int r = syscall(SYS_fallocate, fd, mode, at, n);
    if (r == 0 && f && mode != FALLOC_FL_KEEP_SIZE) {
        pthread_mutex_lock(&lock);
        dirty(f, at, at + n);
        pthread_mutex_unlock(&lock);
    }
    return r;
}
int fallocate64(int fd, int mode, off64_t at, off64_t n) { return fallocate(fd, mode, at, n); }
int posix_fallocate(int fd, off_t at, off_t n) { return fallocate(fd, 0, at, n) ? errno : 0; }
int posix_fallocate64(int fd, off64_t at, off64_t n) { return posix_fallocate(fd, at, n); }

/* Notes that the last name of what was at a path is gone, if it was. Called with the lock. */
static void lose(const struct stat *st) {
    struct file *f = st->st_nlink == 1 && S_ISREG(st->st_mode) ? find(st->st_ino) : NULL;
    if (!f) return;
    char from[PATH_MAX], to[PATH_MAX];
    image_path(f, 0, from), image_path(f, 1, to);
    must(sys_rename(from, to) == 0, from);
    f->gone = 1;
}

int rename(const char *a, const char *b) {
    char ra[PATH_MAX], rb[PATH_MAX];
    struct stat from, to;
    if (!below(a, ra) || !below(b, rb)) return sys_rename(a, b);
    pthread_mutex_lock(&lock);
    event(rb);
    int had_from = lstat(a, &from) == 0, had_to = lstat(b, &to) == 0;
    int r = sys_rename(a, b), said = errno;
    if (r == 0) {
        struct file *f = had_from ? find(from.st_ino) : NULL;
        if (had_to && !(had_from && from.st_ino == to.st_ino)) lose(&to);
        if (f) snprintf(f->path, sizeof f->path, "%.500s", rb);
        changed();
    }
    pthread_mutex_unlock(&lock);
    errno = said;
    return r;
}

int link(const char *a, const char *b) {
    char rb[PATH_MAX];
    if (!below(b, rb)) return syscall(SYS_linkat, AT_FDCWD, a, AT_FDCWD, b, 0);
    pthread_mutex_lock(&lock);
    event(rb);
    int r = syscall(SYS_linkat, AT_FDCWD, a, AT_FDCWD, b, 0), said = errno;
    if (r == 0) changed();
    pthread_mutex_unlock(&lock);
    errno = said;
    return r;
}

int linkat(int da, const char *a, int db, const char *b, int flags) {
    if (da == AT_FDCWD && db == AT_FDCWD && flags == 0) return link(a, b);
    return syscall(SYS_linkat, da, a, db, b, flags);
}

int unlink(const char *path) {
    char rel[PATH_MAX];
    struct stat st;
    if (!below(path, rel)) return sys_unlink(path, 0);
    pthread_mutex_lock(&lock);
    event(rel);
    int had = lstat(path, &st) == 0, r = sys_unlink(path, 0), said = errno;
    if (r == 0 && had) lose(&st), changed();
    pthread_mutex_unlock(&lock);
    errno = said;
    return r;
}

int mkdir(const char *path, mode_t mode) {
    char rel[PATH_MAX];
    struct stat st;
    if (!below(path, rel)) return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    pthread_mutex_lock(&lock);
    if (lstat(path, &st) != 0) event(rel);
    int r = syscall(SYS_mkdirat, AT_FDCWD, path, mode), said = errno;
    if (r == 0 && stat(path, &st) == 0) add_folder(rel, st.st_ino), changed();
    pthread_mutex_unlock(&lock);
    errno = said;
    return r;
}

/* Gives how many bytes are to be read instead of `n`; -1 with EIO for none. */
static ssize_t cut_read(int fd, size_t n) {
    struct stat st;
    struct file *f;
    if ((!control->read_eio_in && !control->reads_short) || !(f = tracked(fd, &st)) || !matches(f->path)) return n;
    if (is_due(&control->read_eio_in)) return errno = EIO, -1;
    /* A direct read of less than a block would be taken for the end of the file. */
    if (!control->reads_short || n < 2 || (fcntl(fd, F_GETFL) & O_DIRECT)) return n;
    static uint64_t drawn;
    uint64_t x = __atomic_add_fetch(&drawn, 0x9e3779b97f4a7c15, __ATOMIC_RELAXED) + control->reads_short;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9, x = (x ^ (x >> 27)) * 0x94d049bb133111eb, x ^= x >> 31;
    __atomic_add_fetch(&control->faults, 1, __ATOMIC_RELAXED);
    return 1 + x % n;
}

ssize_t read(int fd, void *b, size_t n) {
    ssize_t asked = cut_read(fd, n);
    return asked < 0 ? -1 : syscall(SYS_read, fd, b, asked);
}
ssize_t pread(int fd, void *b, size_t n, off_t at) {
    ssize_t asked = cut_read(fd, n);
    return asked < 0 ? -1 : sys_pread(fd, b, asked, at);
}
ssize_t pread64(int fd, void *b, size_t n, off64_t at) { return pread(fd, b, n, at); }

#undef fread_unlocked
/* A short count would be a failure here, so there is only the failure. */
size_t fread_unlocked(void *b, size_t size, size_t n, FILE *from) {
    static size_t (*real)(void *, size_t, size_t, FILE *);
    if (!real) real = (size_t (*)(void *, size_t, size_t, FILE *))dlsym(RTLD_NEXT, "fread_unlocked");
    struct stat st;
    struct file *f = control->read_eio_in ? tracked(fileno(from), &st) : NULL;
    if (f && matches(f->path) && is_due(&control->read_eio_in)) return errno = EIO, 0;
    return real(b, size, n, from);
}

int clock_gettime(clockid_t id, struct timespec *to) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int r = real(id, to);
    int64_t by = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE ? control->clock_ns : 0;
    if (r == 0 && by) {
        int64_t ns = to->tv_sec * 1000000000 + to->tv_nsec + by;
        to->tv_sec = ns / 1000000000, to->tv_nsec = ns % 1000000000;
    }
    return r;
}
int gettimeofday(struct timeval *restrict to, void *restrict zone) {
    struct timespec now;
    (void)zone;
    int r = clock_gettime(CLOCK_REALTIME, &now);
    to->tv_sec = now.tv_sec, to->tv_usec = now.tv_nsec / 1000;
    return r;
}
time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}
