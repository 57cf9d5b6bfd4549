"""Objects as kubectl prints them: columns, ages, JSONPath."""
