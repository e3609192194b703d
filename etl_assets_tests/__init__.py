"""Tests of the pipeline, and the models that they compare it with."""

from pkgutil import walk_packages

import pytest

# What fails in a module that tests share is told in as much detail as what fails in a test.
pytest.register_assert_rewrite(*(module.name for module in walk_packages(__path__, f"{__name__}.")))
