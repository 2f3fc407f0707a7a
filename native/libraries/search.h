// The one search for libraries of others: it tries candidates in order, until one is not only
// there, but works.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "libraries/dynamic_library.h"
#include "libraries/places.h"

namespace namp {

// A candidate and its outcome: "" where it was taken, else why not.
struct LibraryAttempt {
  std::string place;
  std::string failure;
  bool opened = false;  // it was there, and did not work
};

struct LibraryFound {
  DynamicLibrary library;  // not open where none was taken
  std::vector<LibraryAttempt> attempts;

  // The failures in a line, "place (why); …": of those that were there and did not work. Where there
  // was none at all, of every place, or how many they are.
  std::string describe_failures() const;
};

// Says why a library that was opened does not do; "" where it does.
using LibraryAccepts = std::function<std::string(const DynamicLibrary&)>;

// Candidates of a major version above newest_major (0: all do) are tried after the others.
LibraryFound find_library(const VendorLibrary& library, int newest_major,
                          const LibraryAccepts& accepts);

// The last search for a library in this process.
LibraryFound last_search(const VendorLibrary& library);

}  // namespace namp
