//! Prints a case, by its seed or from a file of `cases`, the question for the Go program, or our account:
//! `show SEED|FILE FAMILY [question|ours|case]`.
#![expect(clippy::print_stdout, reason = "this is a tool")]
#![expect(clippy::unwrap_used, reason = "this is a tool")]

fn main() {
    let mut args = std::env::args().skip(1);
    let named = args.next().unwrap();
    let family = match args.next().as_deref() {
        Some("routed") => fidelity::Family::Routed,
        Some("blue-green") => fidelity::Family::BlueGreen,
        Some("plugins") => fidelity::Family::Plugins,
        Some("experiments") => fidelity::Family::Experiments,
        Some(_) | None => fidelity::Family::Basic,
    };
    let case: fidelity::Case = match named.parse() {
        Ok(seed) => family.case(seed),
        Err(_) => {
            let text = std::fs::read_to_string(named).unwrap();
            let kept: serde_json::Value = serde_json::from_str(&text).unwrap();
            serde_json::from_value(kept["case"].clone()).unwrap()
        }
    };

    match args.next().as_deref() {
        Some("ours") => println!("{:#?}", case.simulate().unwrap().account),
        Some("question") => println!("{}", case.question(&case.simulate().unwrap().pods)),
        _ => println!("{}", serde_json::to_string_pretty(&case).unwrap()),
    }
}
