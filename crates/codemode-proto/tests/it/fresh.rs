use std::fs;

use crate::generate;

#[test]
fn the_checked_in_code_is_fresh() {
    let scratch = tempfile::tempdir().unwrap();
    let generated = generate::generate(scratch.path().into()).unwrap();
    let rust = fs::read_to_string(generate::folder().join(generate::RUST)).unwrap();
    let descriptors = fs::read(generate::folder().join(generate::DESCRIPTORS)).unwrap();
    let compat = fs::read_to_string(generate::folder().join(generate::COMPAT)).unwrap();
    let stale = "stale: run `cargo run -p codemode-proto --example generate` and commit the change";
    assert!(rust == generated.rust, "{stale}");
    assert!(compat == generated.compat, "{stale}");
    assert!(descriptors == generated.descriptors, "{stale}");
    assert!(descriptors == codemode_proto::FILE_DESCRIPTOR_SET, "{stale}");
}
