//! PyO3 glue over codemode-client.
