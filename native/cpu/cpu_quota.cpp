#include "cpu/cpu_quota.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <vector>

namespace namp {
namespace {

bool names(const std::string& list, const std::string& name) {
  std::istringstream items(list);
  for (std::string item; std::getline(items, item, ',');) {
    if (item == name) return true;
  }
  return false;
}

// A mount of a hierarchy with the CPU controller: mount_point shows its group `root`.
struct Mount {
  bool unified;  // version 2
  std::string root;
  std::string mount_point;
};

// A line is: id parent major:minor root mount_point options [more]… - type source super_options
std::vector<Mount> mounts(const std::string& path) {
  std::vector<Mount> found;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream before(line.substr(0, dash)), after(line.substr(dash + 3));
    std::string id, parent, device, type, source, options;
    Mount mount{};
    before >> id >> parent >> device >> mount.root >> mount.mount_point;
    after >> type >> source >> options;
    mount.unified = type == "cgroup2";
    if (mount.unified || (type == "cgroup" && names(options, "cpu"))) found.push_back(mount);
  }
  return found;
}

// The process's group in a hierarchy; empty if it has none. A line is id:controllers:path, with
// empty controllers in version 2.
std::string group_of(const std::string& path, bool unified) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (unified ? controllers.empty() : names(controllers, "cpu")) return line.substr(second + 1);
  }
  return "";
}

// One number, or 0 if the file does not begin with a number.
double number_in(const std::string& path) {
  double value = 0;
  std::ifstream file(path);
  return file >> value ? value : 0;
}

// The quota of one group; 0 for none.
double quota_at(const std::string& folder, bool unified) {
  double quota = 0;
  double period = 0;
  if (unified) {
    std::ifstream file(folder + "/cpu.max");  // "max 100000", or "150000 100000"
    if (!(file >> quota >> period)) return 0;
  } else {
    quota = number_in(folder + "/cpu.cfs_quota_us");  // -1 for none
    period = number_in(folder + "/cpu.cfs_period_us");
  }
  return quota > 0 && period > 0 ? quota / period : 0;
}

}  // namespace

double cpu_quota(const std::string& root) {
  double least = 0;
  for (const Mount& mount : mounts(root + "/proc/self/mountinfo")) {
    std::string group = group_of(root + "/proc/self/cgroup", mount.unified);
    // A container sees a part of the hierarchy, and may get its place in the whole one.
    if (mount.root != "/" && group.rfind(mount.root, 0) == 0)
      group = group.substr(mount.root.size());
    if (group.rfind("/..", 0) == 0) group.clear();  // outside of the visible part
    while (true) {
      if (!group.empty() && group.back() == '/') group.pop_back();
      const double quota = quota_at(root + mount.mount_point + group, mount.unified);
      if (quota > 0) least = least > 0 ? std::min(least, quota) : quota;
      const size_t slash = group.rfind('/');
      if (slash == std::string::npos) break;
      group.resize(slash);
    }
  }
  return least;
}

}  // namespace namp
