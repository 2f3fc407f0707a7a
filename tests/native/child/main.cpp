// What the tests of environments and forks start as a process of its own (process_test.cpp). It
// prints what it came to, one word after the other, and is killed by an alarm where it hangs.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include <omp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "../every_operator.h"
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

// THREADS: the number in use, why, and the digest of every operator's results.
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

// Every thread of a parallel region of the caller works on one device, and on one of its own.
int nested(int32_t threads) {
  omp_set_max_active_levels(3);
  namp_device* shared = open_cpu(threads);
  std::atomic<int> failures{0};
#pragma omp parallel num_threads(3)
  {
    try {
      const unsigned long long first = digest_of(shared);
      namp_device* own = open_cpu(threads);
      const unsigned long long second = digest_of(own);
      check(namp_device_close(own));
#pragma omp critical
      std::printf("digest %llx\ndigest %llx\n", first, second);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ++failures;
    }
  }
  check(namp_device_close(shared));
  return failures;
}

// Runs body in a forked child and says how it ended.
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

// The parent has used its device; children go on with it and with one of their own, and a child of
// a child too.
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

// The first GPU, used by the parent: what a child's calls come to.
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
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  std::fprintf(stderr, "digest|nested THREADS, fork, fork-busy or fork-gpu\n");
  return 2;
}
