// Each checker against a kernel with that bug, and against the same kernel without it.
#include "device_test.h"

#include <cstdlib>

namespace nampemu_test {
namespace {

// A block that never ends is to be found soon. Read when the emulator is first used.
const int kLimited = setenv("NAMPEMU_INSTRUCTIONS", "1000000", 0);

class CheckerTest : public DeviceTest {
 protected:
  // One finding of the kind, of kernel k, in a text that has these words.
  void expect_one(nampemu_kind kind, const std::vector<std::string>& words) {
    EXPECT_EQ(nampemu_findings_of(kind), 1U) << findings();
    EXPECT_EQ(nampemu_findings(), 1U) << findings();
    for (const std::string& word : words)
      EXPECT_NE(findings().find(word), std::string::npos) << word << " in " << findings();
  }
  // %d2: the address of element tid of the first buffer, 4 bytes each.
  static std::string at_thread(const std::string& rest) {
    return "mov.u32 %r1, %tid.x;\nmul.wide.u32 %d1, %r1, 4;\nadd.u64 %d2, %a0, %d1;\n" + rest;
  }
  static constexpr const char* kShared = ".shared .align 16 .b8 sh[256];";
};

TEST_F(CheckerTest, AccessOutsideAnAllocation) {
  const Buffer buffer(std::vector<uint32_t>(32, 1));
  const std::string code = kernel(at_thread("st.global.u32 [%d2], %r1;"), 1);
  EXPECT_EQ(run(code, {buffer.address()}), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(run(code, {buffer.address()}, 1, 33), CUDA_ERROR_ILLEGAL_ADDRESS);
  expect_one(NAMPEMU_OUT_OF_BOUNDS, {"kernel k", "PTX line", "block (0,0,0)", "thread (32,0,0)",
                                     "store of 4 bytes", "0 bytes after an allocation of 128"});
  // The error sticks to the context, as on a device.
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  nampemu_reset();
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_EQ(run(kernel("ld.global.u32 %r1, [64];", 1), {0}), CUDA_ERROR_ILLEGAL_ADDRESS);
  expect_one(NAMPEMU_OUT_OF_BOUNDS, {"no device memory"});
}

TEST_F(CheckerTest, SharedAndLocalHaveBounds) {
  const auto code = [](const std::string& index) {
    return kernel("mov.u32 %r2, sh+" + index + ";\nst.shared.u32 [%r2], %r2;", 1, kShared);
  };
  EXPECT_EQ(run(code("252"), {0}, 1, 1), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(run(code("256"), {0}, 1, 1), CUDA_ERROR_ILLEGAL_ADDRESS);
  expect_one(NAMPEMU_OUT_OF_BOUNDS, {"shared memory"});
  nampemu_reset();
  EXPECT_EQ(
      run(kernel(".local .align 4 .b8 depot[16];\nst.local.u32 [depot+16], 1;", 1), {0}, 1, 1),
      CUDA_ERROR_ILLEGAL_ADDRESS);
  expect_one(NAMPEMU_OUT_OF_BOUNDS, {"local memory"});
}

TEST_F(CheckerTest, UseAfterFree) {
  CUdeviceptr address = 0;
  ASSERT_EQ(cuMemAlloc_v2(&address, 256), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD8_v2(address, 0, 256), CUDA_SUCCESS);
  ASSERT_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
  const Buffer next(256);
  EXPECT_NE(next.address(), address);
  EXPECT_EQ(run(kernel("ld.global.u32 %r1, [%a0];", 1), {address}), CUDA_ERROR_ILLEGAL_ADDRESS);
  expect_one(NAMPEMU_USE_AFTER_FREE, {"freed allocation of 256 bytes"});
  nampemu_reset();
  uint32_t word = 0;
  EXPECT_EQ(cuMemcpyDtoH_v2(&word, address, 4), CUDA_ERROR_INVALID_VALUE);
  expect_one(NAMPEMU_USE_AFTER_FREE, {"cuMemcpyDtoH"});
  nampemu_reset();
  EXPECT_EQ(cuMemFree_v2(address), CUDA_ERROR_INVALID_VALUE);
  expect_one(NAMPEMU_BAD_FREE, {"cuMemFree"});
}

TEST_F(CheckerTest, Misalignment) {
  const Buffer buffer(std::vector<uint32_t>(64, 1));
  const auto code = [](const std::string& offset) {
    return kernel("ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%a0+" + offset + "];", 1);
  };
  EXPECT_EQ(run(code("16"), {buffer.address()}), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(run(code("8"), {buffer.address()}), CUDA_ERROR_MISALIGNED_ADDRESS);
  expect_one(NAMPEMU_MISALIGNED, {"load of 16 bytes"});
}

TEST_F(CheckerTest, ReadsOfWhatNothingWrote) {
  const Buffer buffer(128);
  const std::string code = kernel(at_thread("ld.global.u32 %r2, [%d2];"), 1);
  ASSERT_EQ(cuMemsetD8_v2(buffer.address(), 0, 127), CUDA_SUCCESS);
  EXPECT_EQ(run(code, {buffer.address()}), CUDA_SUCCESS);
  expect_one(NAMPEMU_UNWRITTEN_READ, {"byte 127"});
  nampemu_reset();
  ASSERT_EQ(cuMemsetD8_v2(buffer.address() + 127, 0, 1), CUDA_SUCCESS);
  EXPECT_EQ(run(code, {buffer.address()}), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  // A copy on the device carries what isn't written with it; the host hears of it.
  const Buffer other(8), third(8);
  ASSERT_EQ(cuMemcpyDtoD_v2(third.address(), other.address(), 8), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  uint32_t word = 0;
  ASSERT_EQ(cuMemcpyDtoH_v2(&word, third.address(), 4), CUDA_SUCCESS);
  expect_one(NAMPEMU_UNWRITTEN_READ, {"cuMemcpyDtoH"});
  nampemu_reset();
  EXPECT_EQ(run(kernel("ld.shared.u32 %r1, [sh];", 1, kShared), {0}), CUDA_SUCCESS);
  expect_one(NAMPEMU_UNWRITTEN_READ, {"shared"});
}

TEST_F(CheckerTest, SharedMemoryIsUnwrittenInEachBlock) {
  // The first of two blocks writes it; dynamic shared memory lies behind the static.
  const auto code = [](const std::string& writer) {
    return kernel(
        "mov.u32 %r1, %ctaid.x;\nmov.u32 %r2, %tid.x;\nshl.b32 %r3, %r2, 2;\nmov.u32 %r4, sh;\n"
        "add.u32 %r4, %r4, %r3;\nsetp." +
            writer +
            ".u32 %p1, %r1, 0;\n@%p1 st.shared.u32 "
            "[%r4+256], %r1;\nld.shared.u32 %r5, [%r4+256];",
        1, kShared);
  };
  EXPECT_EQ(run(code("ge"), {0}, 2, 32, 128), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(run(code("eq"), {0}, 2, 32, 128), CUDA_SUCCESS);
  expect_one(NAMPEMU_UNWRITTEN_READ, {"block (1,0,0)", "byte 256 of the 384 bytes of shared"});
}

TEST_F(CheckerTest, WhatNothingWroteIsNotZero) {
  const Buffer out(8);
  EXPECT_EQ(
      run(kernel("ld.shared.u32 %r1, [sh];\nst.global.u32 [%a0], %r1;\nst.global.u32 [%a0+4], %r9;",
                 1, kShared),
          {out.address()}, 1, 1),
      CUDA_SUCCESS);
  EXPECT_EQ(out.read<uint32_t>(), (std::vector<uint32_t>(2, 0xffffffff)));
}

TEST_F(CheckerTest, RacesInSharedMemory) {
  const auto code = [](const std::string& between) {
    return kernel(
        "mov.u32 %r1, %tid.x;\nshl.b32 %r2, %r1, 2;\nst.shared.u32 [%r2], %r1;\nmov.u32 %r9, "
        "sh;\n" +
            between + "\nxor.b32 %r3, %r2, 128;\nld.shared.u32 %r4, [%r3];",
        1, kShared);
  };
  EXPECT_EQ(run(code("bar.sync 0;"), {0}, 2, 64), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(run(code(""), {0}, 2, 64), CUDA_SUCCESS);
  EXPECT_GE(nampemu_findings_of(NAMPEMU_RACE), 1U) << findings();
}

TEST_F(CheckerTest, RacesInsideAWarp) {
  const auto code = [](const std::string& between) {
    return kernel(
        "mov.u32 %r1, %tid.x;\nshl.b32 %r2, %r1, 2;\nst.shared.u32 [%r2], %r1;\nmov.u32 %r9, "
        "sh;\n" +
            between + "\nxor.b32 %r3, %r2, 4;\nld.shared.u32 %r4, [%r3];",
        1, kShared);
  };
  EXPECT_EQ(run(code("bar.warp.sync -1;"), {0}), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(run(code(""), {0}), CUDA_SUCCESS);
  expect_one(NAMPEMU_RACE, {"thread (0,0,0)"});
}

TEST_F(CheckerTest, RacesBetweenBlocks) {
  const Buffer buffer(std::vector<uint32_t>(32, 1));
  EXPECT_EQ(run(kernel(at_thread("st.global.u32 [%d2], %r1;"), 1), {buffer.address()}, 2),
            CUDA_SUCCESS);
  expect_one(NAMPEMU_RACE, {"write over a write", "block (1,0,0)"});
  nampemu_reset();
  EXPECT_EQ(run(kernel(at_thread("red.global.add.u32 [%d2], 1;"), 1), {buffer.address()}, 8),
            CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(run(kernel(at_thread("red.global.add.u32 [%d2], 1;\nld.global.u32 %r2, [%a0];"), 1),
                {buffer.address()}, 2),
            CUDA_SUCCESS);
  EXPECT_GE(nampemu_findings_of(NAMPEMU_RACE), 1U) << findings();
  nampemu_reset();
  // Bytes of one word by different threads are no race.
  EXPECT_EQ(run(kernel("mov.u32 %r1, %tid.x;\ncvt.u64.u32 %d1, %r1;\nadd.u64 %d2, %a0, "
                       "%d1;\nst.global.u8 [%d2], %r1;\nld.global.u8 %r2, [%d2];",
                       1),
                {buffer.address()}),
            CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
}

TEST_F(CheckerTest, TheLastBlockMayReadWhatFencedBlocksWrote) {
  // Every block writes its part, counts itself, and the last one sums: with the fence in order,
  // without it a race.
  const auto code = [](const std::string& fence) {
    return kernel(R"(
      mov.u32 %r1, %ctaid.x;
      mul.wide.u32 %d1, %r1, 4;
      add.u64 %d2, %a0, %d1;
      st.global.u32 [%d2], 5;
      )" + fence + R"(
      atom.global.add.u32 %r2, [%a1], 1;
      setp.ne.u32 %p1, %r2, 3;
      @%p1 bra DONE;
      )" + fence + R"(
      ld.global.v4.u32 {%r3, %r4, %r5, %r6}, [%a0];
      add.u32 %r3, %r3, %r4;
      add.u32 %r5, %r5, %r6;
      add.u32 %r3, %r3, %r5;
      st.global.u32 [%a1], %r3;
      DONE:)",
                  2);
  };
  const Buffer parts(16), counter(std::vector<uint32_t>{0});
  EXPECT_EQ(run(code("membar.gl;"), {parts.address(), counter.address()}, 4, 1), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(counter.read<uint32_t>()[0], 20U);
  const Buffer again(std::vector<uint32_t>{0});
  EXPECT_EQ(run(code(""), {parts.address(), again.address()}, 4, 1), CUDA_SUCCESS);
  EXPECT_GE(nampemu_findings_of(NAMPEMU_RACE), 1U) << findings();
}

TEST_F(CheckerTest, ReadOnlyLoadsOfWhatTheLaunchWrites) {
  const Buffer buffer(std::vector<uint32_t>(32, 1));
  EXPECT_EQ(run(kernel(at_thread("st.global.u32 [%d2], 3;\nld.global.nc.u32 %r2, [%d2];"), 1),
                {buffer.address()}),
            CUDA_SUCCESS);
  expect_one(NAMPEMU_RACE, {".nc"});
}

TEST_F(CheckerTest, BarriersNotReachedByAll) {
  const auto code = [](const std::string& test) {
    return kernel("mov.u32 %r1, %tid.x;\nsetp." + test +
                      ".u32 %p1, %r1, 16;\n@%p1 bra SKIP;\nbar.sync 0;\nSKIP:",
                  1);
  };
  EXPECT_EQ(run(code("gt"), {0}, 1, 16), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(run(code("ge"), {0}, 1, 32), CUDA_SUCCESS);
  expect_one(NAMPEMU_BARRIER, {"exited without reaching"});
  nampemu_reset();
  EXPECT_EQ(run(kernel("mov.u32 %r1, %tid.x;\nsetp.lt.u32 %p1, %r1, 16;\n@%p1 bra A;\nbar.sync "
                       "0;\nbra B;\nA: bar.sync 0;\nB:",
                       1),
                {0}),
            CUDA_SUCCESS);
  expect_one(NAMPEMU_BARRIER, {"different aligned barriers"});
  nampemu_reset();
  EXPECT_EQ(
      run(kernel(
              "mov.u32 %r1, %tid.x;\nsetp.lt.u32 %p1, %r1, 16;\n@%p1 bra A;\nbar.sync 1, 64;\nA:",
              1),
          {0}),
      CUDA_ERROR_LAUNCH_FAILED);
  expect_one(NAMPEMU_BARRIER, {"never reach"});
}

TEST_F(CheckerTest, ShufflesNotReachedByAll) {
  const std::string body =
      "mov.u32 %r1, %tid.x;\nsetp.lt.u32 %p1, %r1, 16;\n@%p1 bra A;\nshfl.sync.idx.b32 %r2, %r1, "
      "16, 31, ";
  EXPECT_EQ(run(kernel(body + "0xffff0000;\nA:", 1), {0}), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(run(kernel(body + "0x0000ffff;\nA:", 1), {0}), CUDA_ERROR_LAUNCH_FAILED);
  EXPECT_GE(nampemu_findings_of(NAMPEMU_BARRIER), 1U) << findings();
  nampemu_reset();
  // From a lane that is gone.
  EXPECT_EQ(run(kernel("mov.u32 %r1, %tid.x;\nsetp.lt.u32 %p1, %r1, 16;\n@%p1 "
                       "exit;\nshfl.sync.idx.b32 %r2, %r1, 0, 31, -1;",
                       1),
                {0}),
            CUDA_SUCCESS);
  expect_one(NAMPEMU_BARRIER, {"takes from lane 0"});
}

TEST_F(CheckerTest, LaunchesOverTheLimits) {
  const CUfunction f = load(kernel("", 0, "", ".maxntid 64, 1, 1"));
  EXPECT_EQ(launch(f, {}, 1, 64), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(launch(f, {}, 1, 65), CUDA_ERROR_INVALID_VALUE);
  expect_one(NAMPEMU_LAUNCH_LIMIT, {".maxntid"});
  nampemu_reset();
  const CUfunction g = load(kernel("", 0));
  EXPECT_EQ(launch(g, {}, 1, 1025), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(g, {}, 0, 32), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(g, {}, 1, 32, 49 * 1024), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(nampemu_findings_of(NAMPEMU_LAUNCH_LIMIT), 3U) << findings();
  EXPECT_EQ(cuFuncSetAttribute(g, 8, 64 * 1024), CUDA_SUCCESS);
  EXPECT_EQ(launch(g, {}, 1, 32, 64 * 1024), CUDA_SUCCESS);
  EXPECT_EQ(cuFuncSetAttribute(g, 8, 1 << 20), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(CheckerTest, ArgumentsOfTheWrongSize) {
  const CUfunction f = load(kernel("", 2));
  uint64_t buffer[2] = {1, 2};
  size_t size = 16;
  void* extra[] = {reinterpret_cast<void*>(1), buffer, reinterpret_cast<void*>(2), &size, nullptr};
  EXPECT_EQ(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, extra), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  size = 12;
  EXPECT_EQ(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, extra),
            CUDA_ERROR_INVALID_VALUE);
  expect_one(NAMPEMU_ARGUMENT, {"12 bytes where the parameters take 16"});
  nampemu_reset();
  void* pointers[] = {buffer, nullptr};
  EXPECT_EQ(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, nullptr, pointers, nullptr),
            CUDA_ERROR_INVALID_VALUE);
  expect_one(NAMPEMU_ARGUMENT, {"argument 1 is a null pointer"});
}

TEST_F(CheckerTest, CallsWithoutAContext) {
  ASSERT_EQ(cuCtxSetCurrent(nullptr), CUDA_SUCCESS);
  CUdeviceptr address = 0;
  EXPECT_EQ(cuMemAlloc_v2(&address, 16), CUDA_ERROR_INVALID_CONTEXT);
  expect_one(NAMPEMU_NO_CONTEXT, {"cuMemAlloc"});
}

TEST_F(CheckerTest, LeaksWhenTheContextGoes) {
  CUdeviceptr address = 0;
  CUstream stream = nullptr;
  ASSERT_EQ(cuMemAlloc_v2(&address, 100), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamCreate(&stream, 1), CUDA_SUCCESS);
  ASSERT_EQ(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings_of(NAMPEMU_LEAK), 2U) << findings();
  EXPECT_NE(findings().find("1 allocations (100 bytes)"), std::string::npos) << findings();
  EXPECT_EQ(nampemu_live_allocations(), 0U);
  EXPECT_EQ(cuMemAlloc_v2(&address, 16), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  ASSERT_EQ(cuDevicePrimaryCtxRetain(&context_, 0), CUDA_SUCCESS);
  nampemu_reset();
  ASSERT_EQ(cuMemAlloc_v2(&address, 16), CUDA_SUCCESS);
  ASSERT_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
  ASSERT_EQ(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  ASSERT_EQ(cuDevicePrimaryCtxRetain(&context_, 0), CUDA_SUCCESS);
}

TEST_F(CheckerTest, ModulesAndEventsLeakToo) {
  ASSERT_EQ(kLimited, 0);
  CUmodule module = nullptr;
  CUevent event = nullptr;
  ASSERT_EQ(cuModuleLoadData(&module, kernel("", 0).c_str()), CUDA_SUCCESS);
  ASSERT_EQ(cuEventCreate(&event, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings_of(NAMPEMU_LEAK), 2U) << findings();
  EXPECT_NE(findings().find("1 modules"), std::string::npos) << findings();
  EXPECT_NE(findings().find("1 events"), std::string::npos) << findings();
  ASSERT_EQ(cuDevicePrimaryCtxRetain(&context_, 0), CUDA_SUCCESS);
}

TEST_F(CheckerTest, BlocksThatNeverEnd) {
  const auto code = [](const std::string& count) {
    return kernel("mov.u32 %r1, 0;\nL: add.u32 %r1, %r1, 1;\nsetp.ne.u32 %p1, %r1, " + count +
                      ";\n@%p1 bra L;",
                  1);
  };
  EXPECT_EQ(run(code("1000"), {0}), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_NE(run(code("0"), {0}), CUDA_SUCCESS);
  expect_one(NAMPEMU_HANG, {"kernel k", "NAMPEMU_INSTRUCTIONS"});
}

TEST_F(CheckerTest, Traps) {
  const CUfunction f = load(kernel("trap;", 0));
  EXPECT_EQ(launch(f, {}), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_LAUNCH_FAILED);
  expect_one(NAMPEMU_TRAP, {"kernel k"});
}

}  // namespace
}  // namespace nampemu_test
