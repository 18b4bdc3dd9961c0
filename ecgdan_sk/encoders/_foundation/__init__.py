"""Published foundation models: facts about each as data, networks in code of ours."""
