from appliance.api.attachment import attachment


def test_a_name_in_any_script_is_told_whole_and_plainly() -> None:
    said = attachment("łukasz (2).p12", "application/x-pkcs12", b"").headers["content-disposition"]
    assert said == "attachment; filename=\"-ukasz -2-.p12\"; filename*=UTF-8''%C5%82ukasz%20%282%29.p12"


def test_a_plain_name_is_told_once() -> None:
    answer = attachment("coati-ca.pem", "application/x-pem-file", "x")
    assert answer.headers["content-disposition"] == 'attachment; filename="coati-ca.pem"'
    assert answer.headers["cache-control"] == "no-store"


def test_no_name_makes_a_header_of_its_own() -> None:
    said = attachment('a"\r\nSet-Cookie: b', "text/plain", b"").headers["content-disposition"]
    assert not {"\r", "\n"} & {*said}
    assert said.count('"') == 2
