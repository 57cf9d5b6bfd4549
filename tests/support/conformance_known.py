"""Cases of the conformance corpus that come out otherwise on purpose: {case: why}."""

YAML = {
    "random/0146": "`?` inside a plain scalar in `[]`: kustomize's parser accepts it, as we do",
    "random/1295": "`?` inside a plain scalar in `[]`: kustomize's parser accepts it, as we do",
    "random/1590": "`?` inside a plain scalar in `[]`: kustomize's parser accepts it, as we do",
    "random/2107": "a tag that is no tag, `!]-1a`: libyaml refuses it, Go's older port does not",
}
