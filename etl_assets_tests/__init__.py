"""Tests of the pipeline, and the models that they compare it with."""

import os
import sys
from pkgutil import iter_modules

import pytest

# Else each of the many processes that tests start would compile again what it imports: half of the
# time in which it starts.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What fails in a module that tests share is told in as much detail as what fails in a test.
# The name of a folder stands for all that it has; nothing is imported for it.
pytest.register_assert_rewrite(*(module.name for module in iter_modules(__path__, f"{__name__}.")))
