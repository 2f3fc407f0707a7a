/* What a program on a bare system does (docs/native-library.md): loads the library by its path,
 * computes on three threads, closes the device and unloads. It links nothing but the C library. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nativeamp.h"

enum { kSize = 256 };
static float ones[kSize * kSize], out[kSize * kSize];

static void stop(const char* what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static void* function(void* library, const char* name) {
  void* found = dlsym(library, name);
  if (found == NULL) stop(dlerror());
  return found;
}

/* ISO C has no cast from an object's pointer to a function's. */
#define LOAD(name)                           \
  __typeof__(&name) name##_;                 \
  {                                          \
    void* found = function(library, #name);  \
    memcpy(&name##_, &found, sizeof(found)); \
  }

static int count_threads(void) {
  int count = 0;
  DIR* tasks = opendir("/proc/self/task");
  if (tasks == NULL) return 0;
  for (const struct dirent* each; (each = readdir(tasks)) != NULL;)
    count += each->d_name[0] != '.';
  closedir(tasks);
  return count;
}

static void compute(const char* path, int round) {
  void* library = dlopen(path, RTLD_NOW);
  if (library == NULL) stop(dlerror());
  LOAD(namp_last_error_message)
  LOAD(namp_device_open)
  LOAD(namp_device_close)
  LOAD(namp_device_set_threads)
  LOAD(namp_device_get_info)
  LOAD(namp_gemm)
  LOAD(namp_conv2d_forward)
#define CHECK(call) \
  if ((call) != NAMP_OK) stop(namp_last_error_message_())

  namp_device* device = NULL;
  CHECK(namp_device_open_(&device, NAMP_DEVICE_CPU, 0));
  CHECK(namp_device_set_threads_(device, 3));
  namp_device_info info;
  memset(&info, 0, sizeof(info));
  info.struct_size = sizeof(info);
  CHECK(namp_device_get_info_(&info, device));
  if (round == 0) printf("%s, SIMD %d, %s\n", info.name, info.simd, info.libraries);

  namp_gemm_args product;
  memset(&product, 0, sizeof(product));
  product.struct_size = sizeof(product);
  product.m = product.n = product.k = product.lda = product.ldb = product.ldc = kSize;
  product.batch = 1;
  product.alpha = 1;
  product.a_dtype = product.b_dtype = product.c_dtype = NAMP_FLOAT32;
  product.a = product.b = ones;
  product.c = out;
  CHECK(namp_gemm_(device, &product, NULL));
  for (int i = 0; i < kSize * kSize; ++i) {
    if (out[i] != kSize) stop("a wrong product");
  }

  namp_conv2d_args convolution;
  memset(&convolution, 0, sizeof(convolution));
  convolution.struct_size = sizeof(convolution);
  convolution.batch = 4;
  convolution.in_channels = convolution.out_channels = 8;
  convolution.in_h = convolution.in_w = 16;
  convolution.kernel_h = convolution.kernel_w = 3;
  convolution.stride_h = convolution.stride_w = convolution.dilation_h = convolution.dilation_w = 1;
  convolution.groups = 1;
  convolution.dtype = NAMP_FLOAT32;
  convolution.input = convolution.weight = ones;
  convolution.output = out;
  CHECK(namp_conv2d_forward_(device, &convolution, NULL));
  for (int i = 0; i < 4 * 8 * 14 * 14; ++i) {
    if (out[i] != 8 * 3 * 3) stop("a wrong convolution");
  }
  CHECK(namp_device_close_(device));
  if (dlclose(library) != 0) stop(dlerror());
}

int main(int argc, char** argv) {
  if (argc != 2) stop("bare LIBRARY");
  const int before = count_threads(); /* qemu has one of its own */
  for (int i = 0; i < kSize * kSize; ++i)
    ones[i] = 1;
  for (int round = 0; round < 20; ++round)
    compute(argv[1], round);
  /* A thread that was joined may be in the list for a moment. */
  for (int wait = 0; getenv("NATIVEAMP_ONEDNN") != NULL && count_threads() > before; ++wait) {
    if (wait == 1000) stop("threads are left");
    const struct timespec moment = {0, 1000000};
    nanosleep(&moment, NULL);
  }
  puts("computed, closed and unloaded");
  return 0;
}
