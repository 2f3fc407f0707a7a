// What a namp_device is: a backend, its memory pool and its scratch memory.
#pragma once

#include <atomic>
#include <memory>

#include "abi/memory_pool.h"
#include "backend.h"

struct namp_device {
  explicit namp_device(std::unique_ptr<namp::Backend> opened)
      : backend(std::move(opened)), pool(*backend), workspace(pool) {
    backend->set_workspace(&workspace);
  }

  std::unique_ptr<namp::Backend> backend;
  namp::MemoryPool pool;
  namp::PoolWorkspace workspace;
  std::atomic<int64_t> tables{0};  // alive
  std::atomic<int64_t> events{0};
};

namespace namp {

// The device, or an error where it is null.
namp_device& check_device(namp_device* device);

}  // namespace namp
