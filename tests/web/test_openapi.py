"""The description of the interface agrees with what the server answers."""

import re

from impasto.web.app import routes
from impasto.web.openapi import description


def test_every_address_and_method_of_the_interface_is_described_and_no_other():
    there = {
        (route.path, method.lower())
        for route in routes()
        if getattr(route, "methods", None) and route.path.startswith("/api/")
        for method in route.methods
        if method != "HEAD"
    }
    described = {
        (path, method)
        for path, methods in description()["paths"].items()
        for method in methods
        if method != "parameters"
    }
    assert described == there


def test_every_part_of_an_address_is_a_parameter():
    for path, methods in description()["paths"].items():
        for method, operation in methods.items():
            if method == "parameters":
                continue
            given = [*methods.get("parameters", ()), *operation.get("parameters", ())]
            names = {item["name"] for item in given if item["in"] == "path"}
            assert names == set(re.findall(r"{(\w+)}", path)), (method, path)


def test_the_description_is_served_and_names_the_header(client):
    answer = client.get("/api/openapi.json").json()
    assert answer == description()
    assert "X-Impasto: 1" in answer["info"]["description"]


def test_the_settings_are_those_of_the_package():
    from dataclasses import fields

    from impasto.painting.settings import Settings

    schema = description()["paths"]["/api/preview"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]["settings"]["properties"]) == {item.name for item in fields(Settings)}
