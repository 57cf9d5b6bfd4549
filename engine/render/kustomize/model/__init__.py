"""What a build works on: resources, their ids, and how they are read."""
