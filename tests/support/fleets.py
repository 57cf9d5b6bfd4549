"""Random fleet repositories: bases, components and overlays; most build, some nearly do."""

from typing import Any

from tests.support.fleet_configs import text
from tests.support.fleet_fields import fields
from tests.support.fleet_objects import World, obj
from tests.support.oracle import Case

COMPONENT = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
ODD = (
    *("null", "~", "yes", "0x1F", "0o17", "017", "1e3", ".5", "-0", "12345678901234567890", '""'),
    *("[]", "{}", "2001-01-01", "!!str 1", "!!int '1'", "'a b'", "&a x", "|\n  x", "true", "1_000"),
)


def fleet(seed: int) -> Case:
    """A repository that `seed` alone decides on."""
    random = World(seed)
    files: dict[str, str] = {}
    folders = [folder(random, files, f"base{index}", []) for index in range(random.randint(1, 3))]
    parts = [
        folder(random, files, f"component{index}", [], is_component=True)
        for index in range(random.randint(0, 1))
    ]
    for index in range(random.randint(0, 3)):
        chosen = random.sample(folders, random.randint(1, min(2, len(folders))))
        folders.append(folder(random, files, f"overlay{index}", chosen, parts))
    if random.random() < 0.2:
        spoil(random, files)
    content = {name: value.encode() for name, value in files.items()}
    order = random.choice(("", "", "none", "legacy"))
    return Case(content, folders[-1], restricted=random.random() < 0.5, reorder=order)


def folder(
    random: World,
    files: dict[str, str],
    name: str,
    below: list[str],
    components: list[str] | None = None,
    *,
    is_component: bool = False,
) -> str:
    """Add a kustomization in the folder `name`, over those `below`; gives the name."""
    own: dict[str, str] = {}
    random.made = [ref for other in below for ref in random.reach[other]]
    kustomization: dict[str, Any] = dict(COMPONENT) if is_component else {}
    resources = [f"../{other}" for other in below]
    if not is_component and (not below or random.random() < 0.4):
        own["objects.yaml"] = manifests(random)
        resources.insert(random.randint(0, len(resources)), "objects.yaml")
    if resources:
        kustomization["resources"] = resources
    if components and random.random() < 0.6:
        kustomization["components"] = [f"../{other}" for other in components]
    kustomization |= fields(random, own)
    if len(kustomization) == len(COMPONENT) and is_component:
        kustomization["namePrefix"] = "c-"
    own["kustomization.yaml"] = text(kustomization)
    move_out(random, files, name, own)
    random.reach[name] = random.made
    files.update({f"{name}/{file}": content for file, content in own.items()})
    return name


def move_out(random: World, files: dict[str, str], name: str, own: dict[str, str]) -> None:
    """Put some file beside the folder, where only unrestricted builds may read it."""
    movable = sorted(file for file in own if own["kustomization.yaml"].count(f"- {file}\n") == 1)
    if movable and random.random() < 0.1:
        file = random.choice(movable)
        files[f"shared/{name}-{file}"] = own.pop(file)
        outside = f"- ../shared/{name}-{file}\n"
        own["kustomization.yaml"] = own["kustomization.yaml"].replace(f"- {file}\n", outside)


def manifests(random: World) -> str:
    """A file of some objects, in one of the forms that kustomize reads."""
    objects = [obj(random) for _ in range(random.randint(1, 5))]
    form = random.random()
    if form < 0.1:
        return text({"apiVersion": "v1", "kind": "List", "items": objects})
    return random.choice(("---\n", "---\n# only this\n---\n")).join(map(text, objects))


def spoil(random: World, files: dict[str, str]) -> None:
    """Change one line of one file, so that what was valid may be so no longer."""
    name = random.choice(sorted(files))
    lines = files[name].split("\n")
    place = random.randrange(len(lines))
    key, colon, _ = lines[place].partition(": ")
    chance = random.random()
    if chance < 0.5 and colon:
        lines[place] = f"{key}: {random.choice(ODD)}"
    elif chance < 0.7:
        del lines[place]
    elif chance < 0.8:
        lines.insert(place, lines[place])
    elif chance < 0.9:
        lines[place] = " " + lines[place]
    else:
        other = random.randrange(len(lines))
        lines[place], lines[other] = lines[other], lines[place]
    files[name] = "\n".join(lines)
