"""Local stand-ins for clouds: they speak the real protocols and check every request."""
