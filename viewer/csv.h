// The samples as comma-separated rows, for scripts and spreadsheets.
#pragma once

#include <string>
#include <unordered_map>

#include "viewer/picture.h"

namespace virtpulse::viewer {

class CsvWriter {
  public:
    // Appends a row for each host whose sample is newer than at the call before, and below it one
    // for each VM in that sample; before all of them, once, the header. What is unknown is an empty
    // field. The columns are described in virtpulse-viewer(1).
    void append(const Picture& picture, std::string& out);

  private:
    std::unordered_map<std::string, double> written_;  // host -> time of its last sample
    bool has_header_ = false;
};

}  // namespace virtpulse::viewer
