// Work on streams. It is queued when it is asked for and done as late as the waits allow: only what
// somebody waits for is done, with what that waits for in turn. What isn't ordered behind a copy,
// a fill or a kernel therefore meets memory as it was before it, and a test sees it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "driver/capture.h"
#include "driver/cuda_api.h"

namespace nampemu {

class Emulator;
struct Context;

struct Stream {
  uint64_t context = 0;
  unsigned flags = 0;  // 1: does not wait for the legacy stream, nor that for it
  int priority = 0;

  // The work with this number on this stream, or before it.
  struct Place {
    Stream* stream = nullptr;
    uint64_t number = 0;
  };
  struct Work {
    uint64_t number = 0;
    Context* context = nullptr;
    std::vector<Place> after;  // on other streams
    std::function<void()> run;
  };
  std::deque<Work> queue;
  CapturePlace captured;
  uint64_t last = 0;  // number of what was put on it last
  // Of what is done now, 0 for nothing: a function of the host's, beside which others use the driver.
  uint64_t running = 0;
};

class Queue {
 public:
  using Place = Stream::Place;

  // The stream that a handle means in the current context, which was checked (check_stream).
  Stream& of(CUstream handle);

  // Puts work on a stream of the current context; it is done after what `after` names as well. While
  // the stream is captured it becomes a node of the graph, whose place is that of no stream.
  Place put(CUstream handle, std::function<void()> run, std::vector<Place> after = {});

  // Does all work up to a place, and what that waits for. The sticky error of the current context
  // is what comes of it.
  CUresult finish(Place place);
  CUresult finish(CUstream handle);
  // All work of a context, in the order in which it was asked for; of every context for null.
  CUresult finish_all(const Context* context = nullptr);

  CUresult create(CUstream* stream, unsigned flags, int priority);
  // Null for a handle of none.
  Stream* find(CUstream handle);
  bool destroy(CUstream handle);
  // Forgets a context's streams; how many somebody had made.
  size_t drop(uint64_t context);
  size_t live() const { return streams_.size(); }
  // f(stream) for each that somebody made.
  template <class F>
  void each(F f) const {
    for (const auto& [stream, owner] : streams_)
      f(*stream);
  }

 private:
  static void run_first(Stream& stream);
  bool is_live(const Stream* stream) const;
  std::vector<Place> implied(const Stream& stream) const;

  uint64_t number_ = 0;
  std::map<Stream*, std::unique_ptr<Stream>> streams_;  // by handle
  // The legacy (0) and the threads' stream (2) of a context.
  std::map<std::pair<uint64_t, int>, std::unique_ptr<Stream>> own_;
};

}  // namespace nampemu
