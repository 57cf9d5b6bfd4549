"""Where the path of a Kustomization leads."""


def clean_path(path: str) -> str:
    """The path inside the tree: `..` cannot lead out of it (as Flux's secure join)."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def overlap(one: str, other: str) -> bool:
    """Whether one of two clean paths is the other, or leads into it."""
    first, second = f"{one}/".lstrip("/"), f"{other}/".lstrip("/")
    return first.startswith(second) or second.startswith(first)
