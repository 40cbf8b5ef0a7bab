"""Which ordersync this is."""

from importlib.metadata import PackageNotFoundError, version


def installed() -> str:
    """The version that is installed, "0+source" where it is run from a source tree."""
    try:
        return version("ordersync")
    except PackageNotFoundError:
        return "0+source"
