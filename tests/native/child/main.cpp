// The process that the tests of environments and forks start (process_test.cpp). It prints its
// results, one word after the other. An alarm kills it if it hangs.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include <dlfcn.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "../../gpu-emulator/include/nampemu.h"
#include "../every_operator.h"
#include "cpu/openmp.h"
#include "nativeamp.h"

namespace {

using namp_test::Extent;
using namp_test::run_every_operator;

void check(int32_t status) {
  if (status == NAMP_OK) return;
  throw std::runtime_error(std::string(namp_status_name(status)) + ": " +
                           namp_last_error_message());
}

// A device; 0 threads for the default.
namp_device* open_cpu(int32_t threads) {
  namp_device* device = nullptr;
  check(namp_device_open(&device, NAMP_DEVICE_CPU, 0));
  if (threads != 0) check(namp_device_set_threads(device, threads));
  return device;
}

unsigned long long digest_of(namp_device* device) {
  return namp_test::digest(run_every_operator(device, 1, Extent::kMany));
}

// THREADS: prints the number in use, the reason, and the digest of every operator's results.
int digest(int32_t threads) {
  namp_device* device = open_cpu(threads);
  namp_device_info info{};
  info.struct_size = sizeof(info);
  check(namp_device_get_info(&info, device));
  std::printf("threads %d\nreason %s\ndigest %llx\n", info.threads, info.threads_reason,
              digest_of(device));
  check(namp_device_close(device));
  return 0;
}

// Every thread of a parallel region of the caller works on a shared device, and on its own device.
struct Nested {
  int32_t threads;
  namp_device* shared;
  int dynamic;
  void (*set_dynamic)(int);
  std::atomic<int> failures{0};

  void operator()() {
    try {
      set_dynamic(dynamic);
      const unsigned long long first = digest_of(shared);
      namp_device* own = open_cpu(threads);
      const unsigned long long second = digest_of(own);
      check(namp_device_close(own));
      std::printf("digest %llx\ndigest %llx\n", first, second);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ++failures;
    }
  }
};

int nested(int32_t threads) {
  using namp::DynamicLibrary;
  std::string answer;
  const DynamicLibrary gnu("libgomp.so.1", DynamicLibrary::How::kOpen, answer);
  void (*set_max_active_levels)(int) = nullptr;
  int (*get_dynamic)() = nullptr;
  void (*set_dynamic)(int) = nullptr;
  namp::OpenMp openmp;
  if (!gnu.bind(set_max_active_levels, "omp_set_max_active_levels") ||
      !gnu.bind(get_dynamic, "omp_get_dynamic") || !gnu.bind(set_dynamic, "omp_set_dynamic") ||
      openmp.bind(gnu) != "")
    throw std::runtime_error("no OpenMP: " + answer);
  set_max_active_levels(3);
  Nested body{threads, open_cpu(threads), get_dynamic(), set_dynamic};
  // On a busy machine a dynamic region may get one thread, which counts as none. Its threads are
  // dynamic again (OMP_DYNAMIC) for the regions that they start.
  set_dynamic(0);
  openmp.run(
      3, [](void* context) { (*static_cast<Nested*>(context))(); }, &body);
  check(namp_device_close(body.shared));
  return body.failures;
}

// Runs body in a forked child, and prints how it ended.
template <class Body>
void in_child(const char* name, Body body) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    int code = 0;
    try {
      body();
    } catch (const std::exception& error) {
      std::printf("%s failed: %s\n", name, error.what());
      code = 1;
    }
    std::fflush(stdout);
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  std::printf("%s %s %d\n", name, WIFEXITED(status) ? "exit" : "signal",
              WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

// The parent has used its device. Children use it and their own device, and so does a child of a
// child. A child may close it.
int forked() {
  namp_device* device = open_cpu(3);
  digest_of(device);
  const auto use = [&] {
    std::printf("digest %llx\n", digest_of(device));
    namp_device* own = open_cpu(3);
    std::printf("digest %llx\n", digest_of(own));
    check(namp_device_close(own));
  };
  in_child("child", use);
  in_child("child", [&] { in_child("grandchild", use); });
  in_child("closing", [&] { check(namp_device_close(device)); });
  digest_of(device);  // with all its threads
  check(namp_device_close(device));
  return 0;
}

// Forks while other threads are at work on the device, allocate and open devices.
int forked_while_busy() {
  namp_device* device = open_cpu(2);
  std::atomic<bool> stop{false};
  std::atomic<int> failures{0};
  const auto busy = [&](auto body) {
    return std::thread([&, body] {
      try {
        while (!stop)
          body();
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        ++failures;
      }
    });
  };
  std::thread computing = busy([&] { digest_of(device); });
  std::thread allocating = busy([&] {
    void* piece = nullptr;
    check(namp_memory_allocate(&piece, device, 1000, NAMP_MEMORY_OTHER, nullptr));
    check(namp_memory_free(device, piece, nullptr));
  });
  std::thread opening = busy([&] { check(namp_device_close(open_cpu(1))); });
  for (int i = 0; i < 8; ++i) {
    in_child("child", [&] { std::printf("digest %llx\n", digest_of(device)); });
  }
  stop = true;
  computing.join();
  allocating.join();
  opening.join();
  check(namp_device_close(device));
  return failures;
}

// The parent has used the first GPU; prints the results of a child's calls.
int forked_with_gpu() {
  namp_device* device = nullptr;
  check(namp_device_open(&device, NAMP_DEVICE_CUDA, 0));
  void* piece = nullptr;
  check(namp_memory_allocate(&piece, device, 4096, NAMP_MEMORY_OTHER, nullptr));
  in_child("child", [&] {
    std::printf("fill %s\n", namp_status_name(namp_memory_fill(device, piece, 1, 4096, nullptr)));
    std::printf("message %s\n", namp_last_error_message());
    std::printf("free %s\n", namp_status_name(namp_memory_free(device, piece, nullptr)));
    std::printf("close %s\n", namp_status_name(namp_device_close(device)));
    int32_t count = -1;
    check(namp_device_count(&count, NAMP_DEVICE_CUDA, nullptr, 0));
    std::printf("count %d\n", count);
    namp_device* own = nullptr;
    std::printf("open %s\n", namp_status_name(namp_device_open(&own, NAMP_DEVICE_CUDA, 0)));
    namp_device* cpu = open_cpu(1);
    std::printf("digest %llx\n", digest_of(cpu));
  });
  check(namp_memory_fill(device, piece, 1, 4096, nullptr));
  check(namp_memory_free(device, piece, nullptr));
  check(namp_device_close(device));
  return 0;
}

void print_attempts(int32_t library) {
  std::vector<namp_library_attempt> attempts(100);
  int32_t count = 0;
  check(namp_library_read_attempts(attempts.data(), &count, 100, library));
  for (int32_t i = 0; i < count; ++i)
    std::printf("attempt %s: %s\n", attempts[static_cast<size_t>(i)].place,
                attempts[static_cast<size_t>(i)].failure);
}

// The library that computes products on the CPU, the places where it was looked for, one such
// product, and the changes that opening it left in the process.
int onednn() {
  namp_device* device = open_cpu(2);
  namp_device_info info{};
  info.struct_size = sizeof(info);
  check(namp_device_get_info(&info, device));
  std::printf("libraries %s\n", info.libraries);
  print_attempts(NAMP_LIBRARY_ONEDNN);
  const float row[] = {1, 2};
  const float column[] = {3, 4};
  float result = 0;
  namp_gemm_args args{};
  args.struct_size = sizeof(args);
  args.m = args.n = args.ldb = args.ldc = args.batch = 1;
  args.k = args.lda = 2;
  args.alpha = 1;
  args.a_dtype = args.b_dtype = args.c_dtype = NAMP_FLOAT32;
  args.a = row;
  args.b = column;
  args.c = &result;
  check(namp_gemm(device, &args, nullptr));
  std::printf("product %g\n", static_cast<double>(result));
  check(namp_device_close(device));
  const char* spin = std::getenv("GOMP_SPINCOUNT");
  std::printf("spin %s\n", spin == nullptr ? "unset" : spin);
  cpu_set_t processors;
  if (sched_getaffinity(0, sizeof(processors), &processors) != 0) return 1;
  std::printf("processors %d\n", CPU_COUNT(&processors));
  return 0;
}

// Numbers on the first GPU, multiplied as a row by a column.
class Product {
 public:
  Product(namp_device* device, namp_dtype dtype, std::vector<uint32_t> row,
          std::vector<uint32_t> column)
      : device_(device), dtype_(dtype) {
    args_.struct_size = sizeof(args_);
    args_.m = args_.n = args_.ldb = args_.ldc = 1;
    args_.k = args_.lda = static_cast<int64_t>(row.size());
    args_.batch = 1;
    args_.alpha = 1;
    args_.a_dtype = args_.b_dtype = args_.c_dtype = dtype;
    args_.a = put(row);
    args_.b = put(column);
    args_.c = put({0});
  }
  ~Product() {
    for (void* piece : pieces_)
      namp_memory_free(device_, piece, nullptr);
  }

  // The bits of the result.
  uint32_t multiply(namp_stream stream = nullptr) {
    check(namp_gemm(device_, &args_, stream));
    uint32_t result = 0;
    check(namp_memory_copy(device_, &result, args_.c, size(), NAMP_COPY_DEVICE_TO_HOST, stream));
    return result;
  }

 private:
  int64_t size() const { return dtype_ == NAMP_FLOAT32 ? 4 : 2; }

  void* put(const std::vector<uint32_t>& bits) {
    const auto count = static_cast<int64_t>(bits.size());
    void* memory = nullptr;
    check(namp_memory_allocate(&memory, device_, count * size(), NAMP_MEMORY_OTHER, nullptr));
    pieces_.push_back(memory);
    for (int64_t i = 0; i < count; ++i) {
      check(namp_memory_copy(device_, static_cast<char*>(memory) + i * size(),
                             &bits[static_cast<size_t>(i)], size(), NAMP_COPY_HOST_TO_DEVICE,
                             nullptr));
    }
    return memory;
  }

  namp_device* device_;
  namp_dtype dtype_;
  namp_gemm_args args_{};
  std::vector<void*> pieces_;
};

// Products that show in which precision they are made: of a number that TF32 rounds, without it and
// with it, and of half-precision numbers whose sum is beyond float16 halfway. Then what multiplied,
// in how much memory, and where cuBLAS was looked for.
int product() {
  namp_device* device = nullptr;
  check(namp_device_open(&device, NAMP_DEVICE_CUDA, 0));
  {
    Product single(device, NAMP_FLOAT32, {0x3f800800}, {0x3f800000});  // 1 + 2^-12, 1
    for (const int32_t tf32 : {0, 1}) {
      check(namp_device_set_allow_tf32(device, tf32));
      std::printf("%s %x\n", tf32 != 0 ? "tf32" : "float32", single.multiply());
    }
    Product halves(device, NAMP_FLOAT16, {0x5cb0, 0x5cb0},
                   {0x5cb0, 0xdcb0});  // 300, 300, 300, -300
    namp_stream stream = nullptr;
    check(namp_stream_create(&stream, device));
    std::printf("halves %x\n", halves.multiply(stream));
    namp_memory_statistics statistics{};
    statistics.struct_size = sizeof(statistics);
    check(namp_memory_get_statistics(&statistics, device));
    std::printf("workspace %lld\n",
                static_cast<long long>(statistics.live_bytes[NAMP_MEMORY_WORKSPACE]));
    check(namp_stream_destroy(device, stream));
  }
  namp_device_info info{};
  info.struct_size = sizeof(info);
  check(namp_device_get_info(&info, device));
  std::printf("libraries %s\n", info.libraries);
  check(namp_device_close(device));
  print_attempts(NAMP_LIBRARY_CUBLAS);
  const auto get_counters = reinterpret_cast<decltype(&nampemu_get_counters)>(
      dlsym(dlopen(std::getenv("NATIVEAMP_CUDA_LIBRARY"), RTLD_NOW), "nampemu_get_counters"));
  nampemu_counters counters{};
  get_counters(&counters, sizeof(counters));
  std::printf("products %llu\nown %llu\n", static_cast<unsigned long long>(counters.gemms),
              static_cast<unsigned long long>(counters.gemms_in_own_workspace));
  return 0;
}

// A product in bfloat16 of m and n, and its GELU: in how many products of cuBLAS and launches.
int activation(int64_t m, int64_t n) {
  constexpr int64_t kDepth = 64;
  namp_device* device = nullptr;
  check(namp_device_open(&device, NAMP_DEVICE_CUDA, 0));
  namp_gemm_args args{};
  args.struct_size = sizeof(args);
  args.m = m;
  args.n = args.ldb = args.ldc = n;
  args.k = args.lda = kDepth;
  args.alpha = 1;
  args.a_dtype = args.b_dtype = args.c_dtype = NAMP_BFLOAT16;
  args.activation = NAMP_ACTIVATION_GELU;
  const auto matrix = [device](int64_t elements) {
    void* memory = nullptr;
    check(namp_memory_allocate(&memory, device, 2 * elements, NAMP_MEMORY_OTHER, nullptr));
    check(namp_memory_fill(device, memory, 0, 2 * elements, nullptr));
    return memory;
  };
  args.a = matrix(m * kDepth);
  args.b = matrix(kDepth * n);
  args.c = matrix(m * n);
  args.pre_activation = matrix(m * n);
  const auto counters = [] {
    const auto get = reinterpret_cast<decltype(&nampemu_get_counters)>(
        dlsym(dlopen(std::getenv("NATIVEAMP_CUDA_LIBRARY"), RTLD_NOW), "nampemu_get_counters"));
    nampemu_counters counted{};
    get(&counted, sizeof(counted));
    return counted;
  };
  const nampemu_counters before = counters();
  check(namp_gemm(device, &args, nullptr));
  const nampemu_counters after = counters();
  std::printf("products %llu\nlaunches %llu\n",
              static_cast<unsigned long long>(after.gemms - before.gemms),
              static_cast<unsigned long long>(after.launches - before.launches));
  for (const void* memory : {args.a, args.b, static_cast<const void*>(args.c),
                             static_cast<const void*>(args.pre_activation)})
    check(namp_memory_free(device, const_cast<void*>(memory), nullptr));
  check(namp_device_close(device));
  return 0;
}

// Why there is no GPU.
int count_gpus() {
  char reason[1024];
  int32_t count = 0;
  check(namp_device_count(&count, NAMP_DEVICE_CUDA, reason, sizeof(reason)));
  std::printf("count %d\nreason %s\n", count, reason);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  alarm(120);
  const std::string what = argc > 1 ? argv[1] : "";
  const int32_t threads = argc > 2 ? std::atoi(argv[2]) : 0;
  try {
    if (what == "digest") return digest(threads);
    if (what == "nested") return nested(threads);
    if (what == "fork") return forked();
    if (what == "fork-busy") return forked_while_busy();
    if (what == "fork-gpu") return forked_with_gpu();
    if (what == "product") return product();
    if (what == "activation" && argc > 3) return activation(std::atoi(argv[2]), std::atoi(argv[3]));
    if (what == "onednn") return onednn();
    if (what == "gpus") return count_gpus();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  std::fprintf(stderr,
               "digest|nested THREADS, fork, fork-busy, fork-gpu, product, activation M N, onednn "
               "or gpus\n");
  return 2;
}
