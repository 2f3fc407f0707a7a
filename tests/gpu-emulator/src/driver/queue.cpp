#include "driver/queue.h"

#include <algorithm>
#include <thread>

#include "driver/emulator.h"

namespace nampemu {

Stream* Queue::find(CUstream handle) {
  const auto found = streams_.find(reinterpret_cast<Stream*>(handle));
  return found == streams_.end() ? nullptr : found->first;
}

Stream& Queue::of(CUstream handle) {
  if (Stream* made = find(handle)) return *made;
  const uint64_t context = Emulator::current()->id;
  const int which = reinterpret_cast<uintptr_t>(handle) == 2 ? 2 : 0;
  auto& own = own_[{context, which}];
  if (own == nullptr) {
    own = std::make_unique<Stream>();
    own->context = context;
  }
  return *own;
}

bool Queue::is_live(const Stream* stream) const {
  if (streams_.count(const_cast<Stream*>(stream)) != 0) return true;
  return std::any_of(own_.begin(), own_.end(),
                     [=](const auto& entry) { return entry.second.get() == stream; });
}

// The legacy stream waits for all streams of its context but those that say otherwise, and they for
// it.
std::vector<Stream::Place> Queue::implied(const Stream& stream) const {
  std::vector<Place> places;
  const auto add = [&](Stream* other) {
    if (other->context == stream.context && !other->queue.empty())
      places.push_back({other, other->last});
  };
  const auto legacy = own_.find({stream.context, 0});
  const bool is_legacy = legacy != own_.end() && legacy->second.get() == &stream;
  if (!is_legacy) {
    if ((stream.flags & 1) == 0 && legacy != own_.end()) add(legacy->second.get());
    return places;
  }
  for (const auto& [handle, other] : streams_)
    if ((other->flags & 1) == 0) add(other.get());
  for (const auto& [key, other] : own_)
    if (other.get() != &stream) add(other.get());
  return places;
}

Stream::Place Queue::put(CUstream handle, std::function<void()> run, std::vector<Place> after) {
  Stream& stream = of(handle);
  if (stream.captured.is_active()) {
    put_in_capture(stream, std::move(run));
    return {};
  }
  for (const Place& place : implied(stream))
    after.push_back(place);
  stream.last = ++number_;
  stream.queue.push_back({number_, Emulator::current(), std::move(after), std::move(run)});
  return {&stream, number_};
}

void Queue::run_first(Stream& stream) {
  const Stream::Work work = std::move(stream.queue.front());
  stream.queue.pop_front();
  // After a fault nothing is done any more.
  if (work.context->sticky != CUDA_SUCCESS) return;
  Emulator::stack().push_back(work.context);
  stream.running = work.number;
  work.run();
  stream.running = 0;
  Emulator::stack().pop_back();
}

CUresult Queue::finish(Place place) {
  // Without recursion: streams may wait for each other's earlier work any number of times.
  std::vector<Place> waits{place};
  while (!waits.empty()) {
    const Place wait = waits.back();
    if (is_live(wait.stream) && wait.stream->running != 0 && wait.stream->running <= wait.number) {
      Emulator::get().mutex.unlock();
      std::this_thread::yield();
      Emulator::get().mutex.lock();
      continue;
    }
    if (!is_live(wait.stream) || wait.stream->queue.empty() ||
        wait.stream->queue.front().number > wait.number) {
      waits.pop_back();
      continue;
    }
    auto& after = wait.stream->queue.front().after;
    if (after.empty()) {
      run_first(*wait.stream);
    } else {
      waits.push_back(after.back());
      after.pop_back();
    }
  }
  return Emulator::current() != nullptr ? Emulator::current()->sticky : CUDA_SUCCESS;
}

CUresult Queue::finish(CUstream handle) {
  // An empty piece of work waits for what the next one would.
  return finish(put(handle, [] {}));
}

CUresult Queue::finish_all(const Context* context) {
  const auto belongs = [=](const Stream& stream) {
    return !stream.queue.empty() && (context == nullptr || stream.context == context->id);
  };
  for (;;) {
    Stream* first = nullptr;
    const auto look = [&](const auto& entry) {
      Stream* stream = entry.second.get();
      if (belongs(*stream) &&
          (first == nullptr || stream->queue.front().number < first->queue.front().number)) {
        first = stream;
      }
    };
    std::for_each(streams_.begin(), streams_.end(), look);
    std::for_each(own_.begin(), own_.end(), look);
    if (first == nullptr) break;
    run_first(*first);
  }
  return context != nullptr ? context->sticky : CUDA_SUCCESS;
}

CUresult Queue::create(CUstream* stream, unsigned flags, int priority) {
  auto created = std::make_unique<Stream>();
  created->context = Emulator::current()->id;
  created->flags = flags;
  created->priority = priority;
  *stream = reinterpret_cast<CUstream>(created.get());
  Stream* key = created.get();
  streams_[key] = std::move(created);
  return CUDA_SUCCESS;
}

// A driver lets the work go on; here it is done at once.
bool Queue::destroy(CUstream handle) {
  Stream* stream = find(handle);
  if (stream == nullptr) return false;
  leave_capture(*stream);
  finish({stream, stream->last});
  streams_.erase(stream);
  return true;
}

size_t Queue::drop(uint64_t context) {
  size_t count = 0;
  for (auto next = streams_.begin(); next != streams_.end();) {
    if (next->second->context == context) {
      next = streams_.erase(next);
      ++count;
    } else {
      ++next;
    }
  }
  own_.erase({context, 0});
  own_.erase({context, 2});
  return count;
}

}  // namespace nampemu
