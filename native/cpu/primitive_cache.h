// A cache of objects that are slow to create and depend on a few numbers. It drops the least
// recently used.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace namp {

template <class Value>
class PrimitiveCache {
 public:
  // The numbers that a value depends on; unused ones are 0.
  using Key = std::array<int64_t, 20>;

  explicit PrimitiveCache(size_t capacity) : capacity_(capacity) {}

  // The value of key. make() creates it if it is not there; it may return null, which is kept too.
  template <class Make>
  std::shared_ptr<const Value> find(const Key& key, Make&& make) {
    const std::lock_guard lock(mutex_);
    if (const auto found = index_.find(key); found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->second;
    }
    std::shared_ptr<const Value> value = make();
    entries_.emplace_front(key, value);
    index_[key] = entries_.begin();
    if (entries_.size() > capacity_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    return value;
  }

  size_t size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }

 private:
  // FNV-1a, one number at a time.
  struct Hash {
    size_t operator()(const Key& key) const {
      uint64_t hash = 14695981039346656037u;
      for (const int64_t number : key) {
        hash = (hash ^ static_cast<uint64_t>(number)) * 1099511628211u;
        hash ^= hash >> 29;
      }
      return static_cast<size_t>(hash);
    }
  };

  using Entries = std::list<std::pair<Key, std::shared_ptr<const Value>>>;

  size_t capacity_;
  mutable std::mutex mutex_;
  Entries entries_;  // the most recently used first
  std::unordered_map<Key, typename Entries::iterator, Hash> index_;
};

}  // namespace namp
