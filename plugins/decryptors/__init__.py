"""Key services: each opens the data keys that were sealed for one kind of master key."""
