"""Tests by area; each folder mirrors a part of the product."""
