#include "nvml/script.h"

#include <set>
#include <sstream>
#include <stdexcept>

namespace nampnvml {
namespace {

const std::set<std::string>& names() {
  static const std::set<std::string> all = {"power", "limit", "energy", "gpu", "memory", "total",
                                            "used",  "temp",  "sm",     "mem", "reasons"};
  return all;
}

uint64_t number(const std::string& text) {
  size_t end = 0;
  uint64_t value = 0;
  try {
    value = std::stoull(text, &end, 0);
  } catch (const std::exception&) {
    end = 0;
  }
  if (end == 0 || end != text.size()) throw std::runtime_error("'" + text + "' is no number");
  return value;
}

std::vector<uint64_t> numbers(const std::string& text) {
  std::vector<uint64_t> all;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');)
    all.push_back(number(part));
  return all;
}

// name=value, name=na, name=none, buffer.KIND=1,2,3, fail.FUNCTION=RESULT, lost, back
void apply_word(const std::string& word, Answers& answers) {
  if (word == "lost" || word == "back") {
    answers.lost = word == "lost";
    return;
  }
  const size_t equals = word.find('=');
  if (equals == std::string::npos) throw std::runtime_error("'" + word + "' has no =");
  const std::string name = word.substr(0, equals);
  const std::string value = word.substr(equals + 1);
  if (name.rfind("fail.", 0) == 0) {
    answers.failures[name.substr(5)] = static_cast<int>(number(value));
  } else if (name.rfind("buffer.", 0) == 0) {
    const std::vector<uint64_t> more = numbers(value);
    auto& buffer = answers.buffers[name.substr(7)];
    buffer.insert(buffer.end(), more.begin(), more.end());
  } else if (names().count(name) == 0) {
    throw std::runtime_error("there is no value '" + name + "'");
  } else if (value == "na") {
    answers.values[name] = std::nullopt;
  } else {
    answers.values[name] = value == "none" ? 0xffffffffu : number(value);
  }
}

Line parse(const std::string& text, int& gpus) {
  std::istringstream words(text);
  Line line;
  std::string word;
  words >> word;
  if (word == "gpus") {
    words >> word;
    gpus = static_cast<int>(number(word));
    return line;
  }
  if (word.size() > 2 && word.compare(word.size() - 2, 2, "ms") == 0) {
    line.is_time = true;
    word.resize(word.size() - 2);
  }
  line.when = number(word);
  while (words >> word) {
    if (word.rfind("gpu:", 0) == 0) {
      line.gpu = static_cast<int>(number(word.substr(4)));
    } else {
      line.words.push_back(word);
    }
  }
  Answers probe;
  Script::apply(line, probe);
  return line;
}

}  // namespace

Script::Script(const std::string& text) {
  std::istringstream lines(text);
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    ++count;
    line = line.substr(0, line.find('#'));
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      Line parsed = parse(line, gpus_);
      if (!parsed.words.empty()) lines_.push_back(std::move(parsed));
    } catch (const std::exception& error) {
      throw std::runtime_error("line " + std::to_string(count) + ": " + error.what());
    }
  }
}

void Script::apply(const Line& line, Answers& answers) {
  for (const std::string& word : line.words)
    apply_word(word, answers);
}

}  // namespace nampnvml
