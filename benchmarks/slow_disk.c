/* A disk whose every flush takes two milliseconds, as cloud disks do: preloaded into PostgreSQL. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

static const unsigned int DELAY_MICROSECONDS = 2000;

int fdatasync(int descriptor) {
    static int (*real)(int);
    if (!real) {
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    }
    usleep(DELAY_MICROSECONDS);
    return real(descriptor);
}
