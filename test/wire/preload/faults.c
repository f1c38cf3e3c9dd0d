/* Preloaded into a gateway by process-faults.test.ts: a wall clock that a test sets, and a disk that is slow or broken.
 *
 * The directory in FAULTS holds one number per file, read at every call: clock_s (added to the wall clock), fsync_ms and write_ms (waits),
 * fsync_errno and write_errno (failures). A missing file is a zero. Disk faults apply to files whose path contains "gateway.db".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long setting(const char *name) {
  const char *dir = getenv("FAULTS");
  char path[512];
  long value = 0;
  if (!dir) return 0;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  if (fscanf(file, "%ld", &value) != 1) value = 0;
  fclose(file);
  return value;
}

static int is_store(int fd) {
  char link[64], target[512];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, target, sizeof target - 1);
  if (length <= 0) return 0;
  target[length] = 0;
  return strstr(target, "gateway.db") != NULL;
}

/* Returns the errno that the call fails with, after its wait; 0 lets it through. */
static int fault(int fd, const char *wait, const char *failure) {
  if (!is_store(fd)) return 0;
  long ms = setting(wait);
  struct timespec left = {ms / 1000, (ms % 1000) * 1000000L};
  while (ms > 0 && nanosleep(&left, &left) && errno == EINTR) {}
  return (int)setting(failure);
}

#define NEXT(type, name, ...) \
  static type (*next)(__VA_ARGS__); \
  if (!next) next = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)
#define FAIL(code) \
  do { \
    errno = (code); \
    return -1; \
  } while (0)

int clock_gettime(clockid_t id, struct timespec *at) {
  NEXT(int, "clock_gettime", clockid_t, struct timespec *);
  int failed = next(id, at);
  if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += setting("clock_s");
  return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}

int fsync(int fd) {
  NEXT(int, "fsync", int);
  int code = fault(fd, "fsync_ms", "fsync_errno");
  if (code) FAIL(code);
  return next(fd);
}

int fdatasync(int fd) {
  NEXT(int, "fdatasync", int);
  int code = fault(fd, "fsync_ms", "fsync_errno");
  if (code) FAIL(code);
  return next(fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
  NEXT(ssize_t, "pwrite", int, const void *, size_t, off_t);
  int code = fault(fd, "write_ms", "write_errno");
  if (code) FAIL(code);
  return next(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  NEXT(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
  int code = fault(fd, "write_ms", "write_errno");
  if (code) FAIL(code);
  return next(fd, bytes, count, offset);
}
