/*
 * Slows every flush of a process by 2 ms, as a disk in the cloud does: LD_PRELOAD it before the C library. Each call
 * still flushes; it only takes longer.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <time.h>

static void wait_2_ms(void)
{
    struct timespec left = {.tv_sec = 0, .tv_nsec = 2000000};
    int before = errno;
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    errno = before;
}

typedef int (*flush_function)(int);

static int slowed(const char *name, int file)
{
    flush_function flush = (flush_function)dlsym(RTLD_NEXT, name);
    wait_2_ms();
    return flush(file);
}

int fsync(int file)
{
    return slowed("fsync", file);
}

int fdatasync(int file)
{
    return slowed("fdatasync", file);
}
