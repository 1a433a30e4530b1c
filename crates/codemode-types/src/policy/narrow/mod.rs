//! A client's policy is a request to narrow the executor's, never to widen it.

mod network;

use std::{path::Path, time::Duration};

use serde_json::Value;

use super::{NetworkMode, Policy, PolicyError};
use crate::{ByteSize, Problem};

impl Policy {
    /// This policy narrowed by `request`, which has the shape of the YAML file. Only keys that are present count.
    /// Which folders are mounted, interpreter and pool are the executor's own business: naming them neither widens nor
    /// narrows, but that there is a folder is not taken for granted. Network keys without a mode are about the executor's
    /// mode.
    pub fn narrowed(&self, request: &Value) -> Result<Self, PolicyError> {
        let unasked = Self { network: self.network.unasked(request), ..Self::default() };
        let asked = Self::from_value_over(&unasked, request, Path::new("/"))?;
        let mut narrowing = Narrowing { request, problems: Vec::new() };
        let mut policy = self.clone();
        narrowing.execution(&mut policy, &asked);
        narrowing.network(&mut policy.network, &asked.network);
        narrowing.filesystem(&mut policy, &asked);
        narrowing.limits(&mut policy, &asked);
        narrowing.isolation(&mut policy, &asked);
        match narrowing.problems.is_empty() {
            true => Ok(policy),
            false => Err(PolicyError { problems: narrowing.problems }),
        }
    }
}

/// A bound as a person writes it.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for Duration {
    fn shown(&self) -> String {
        format!("{} s", self.as_secs_f64())
    }
}

macro_rules! shown_as_displayed {
    ($($bound:ty),+) => {
        $(impl Shown for $bound {
            fn shown(&self) -> String {
                self.to_string()
            }
        })+
    };
}

shown_as_displayed!(ByteSize, NetworkMode, u32, u64, f64);

struct Narrowing<'a> {
    request: &'a Value,
    problems: Vec<Problem>,
}

impl Narrowing<'_> {
    fn present(&self, key: &str) -> bool {
        key.split('.').try_fold(self.request, |value, name| value.get(name)).is_some_and(|value| !value.is_null())
    }

    fn wider(&mut self, key: &str, message: String) {
        self.problems.push(Problem::new(key, message));
    }

    /// Takes `asked` where the key is present and not above what holds.
    fn lower<T: PartialOrd + Clone + Shown>(&mut self, key: &str, slot: &mut T, asked: &T) {
        if !self.present(key) {
            return;
        }
        match *asked <= *slot {
            true => *slot = asked.clone(),
            false => self.wider(key, format!("{} is wider than this executor's {}", asked.shown(), slot.shown())),
        }
    }

    fn execution(&mut self, policy: &mut Policy, asked: &Policy) {
        let direct_execution = policy.direct_execution();
        if self.present("execution.allowed_commands") {
            let unknown: Vec<_> = asked
                .execution
                .allowed_commands
                .iter()
                .filter(|command| !policy.execution.allowed_commands.contains(command))
                .cloned()
                .collect();
            if !unknown.is_empty() {
                self.wider(
                    "execution.allowed_commands",
                    format!("this executor does not allow: {}", unknown.join(", ")),
                );
            }
            policy.execution.allowed_commands.clone_from(&asked.execution.allowed_commands);
        }
        match asked.execution.allow_direct_execution {
            Some(true) if !direct_execution => {
                self.wider("execution.allow_direct_execution", "this executor does not allow direct execution".into());
            }
            Some(direct) => policy.execution.allow_direct_execution = Some(direct),
            None => {}
        }
    }

    fn filesystem(&mut self, policy: &mut Policy, asked: &Policy) {
        let (held, asked) = (&mut policy.filesystem, &asked.filesystem);
        if asked.workspace.mount.is_some() && held.workspace.mount.is_none() {
            self.wider(
                "filesystem.workspace.mount",
                "this executor mounts no workspace; name one in its own policy".into(),
            );
        }
        if asked.outputs.mount.is_some() && held.outputs.mount.is_none() {
            self.wider(
                "filesystem.outputs.mount",
                "this executor keeps no outputs; name a folder in its own policy".into(),
            );
        }
        let mut size = held.sandbox.size();
        self.lower("filesystem.sandbox.max_size", &mut size, &asked.sandbox.size());
        if self.present("filesystem.sandbox.max_size") {
            held.sandbox.max_size = Some(size);
        }
        self.lower("filesystem.outputs.max_size", &mut held.outputs.max_size, &asked.outputs.max_size);
        self.lower("filesystem.tmp.max_size", &mut held.tmp.max_size, &asked.tmp.max_size);
    }

    fn limits(&mut self, policy: &mut Policy, asked: &Policy) {
        let (held, asked) = (&mut policy.limits, &asked.limits);
        self.lower("limits.code_timeout", &mut held.code_timeout, &asked.code_timeout);
        self.lower("limits.tool_timeout", &mut held.tool_timeout, &asked.tool_timeout);
        self.lower("limits.total_timeout", &mut held.total_timeout, &asked.total_timeout);
        self.lower("limits.max_code_length", &mut held.max_code_length, &asked.max_code_length);
        self.lower("limits.memory_limit", &mut held.memory_limit, &asked.memory_limit);
        self.lower("limits.cpus", &mut held.cpus, &asked.cpus);
        self.lower("limits.processes", &mut held.processes, &asked.processes);
        self.lower("limits.open_files", &mut held.open_files, &asked.open_files);
        self.lower("limits.file_size", &mut held.file_size, &asked.file_size);
        self.lower("limits.output_bytes", &mut held.output_bytes, &asked.output_bytes);
        self.lower("limits.result_bytes", &mut held.result_bytes, &asked.result_bytes);
        self.lower("limits.value_bytes", &mut held.value_bytes, &asked.value_bytes);
        self.lower("limits.max_tool_calls", &mut held.max_tool_calls, &asked.max_tool_calls);
    }

    fn isolation(&mut self, policy: &mut Policy, asked: &Policy) {
        if self.present("isolation.allow_jit") {
            match asked.isolation.allow_jit && !policy.isolation.allow_jit {
                true => self.wider("isolation.allow_jit", "this executor does not allow it".into()),
                false => policy.isolation.allow_jit = asked.isolation.allow_jit,
            }
        }
        if self.present("isolation.fresh_interpreter") {
            match policy.isolation.fresh_interpreter && !asked.isolation.fresh_interpreter {
                true => self.wider("isolation.fresh_interpreter", "this executor starts one for each execution".into()),
                false => policy.isolation.fresh_interpreter = asked.isolation.fresh_interpreter,
            }
        }
        if self.present("isolation.allow_unix_sockets")
            && asked.isolation.allow_unix_sockets != policy.isolation.allow_unix_sockets
        {
            self.wider("isolation.allow_unix_sockets", "is the same for every client of an executor".into());
        }
        // Whether they hold is for the executor to say: see `Isolation::check`.
        if self.present("isolation.minimum") {
            policy.isolation.minimum = policy.isolation.minimum.max(asked.isolation.minimum);
        }
        for layer in &asked.isolation.require {
            if !policy.isolation.require.contains(layer) {
                policy.isolation.require.push(layer.clone());
            }
        }
        if self.present("isolation.allow_jit") {
            policy.isolation.allow_jit = asked.isolation.allow_jit;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn executor() -> Policy {
        Policy::from_value(&json!({"execution": {"allowed_commands": ["grep", "cat"]}}), Path::new("/")).unwrap()
    }

    #[test]
    fn narrower_requests_hold() {
        let policy = executor()
            .narrowed(&json!({"execution": {"allowed_commands": ["cat"]}, "limits": {"memory_limit": "64m"}}))
            .unwrap();
        assert_eq!(policy.execution.allowed_commands, ["cat"]);
        assert_eq!(policy.limits.memory_limit.bytes(), 64 << 20);
        assert_eq!(policy.limits.code_timeout, executor().limits.code_timeout);
    }

    #[test]
    fn wider_requests_name_the_key() {
        let error = executor()
            .narrowed(&json!({"execution": {"allowed_commands": ["rm"]}, "network": {"mode": "all"}, "limits": {"processes": 65}}))
            .unwrap_err();
        let keys: Vec<_> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["execution.allowed_commands", "network.mode", "limits.processes"]);
        assert_eq!(error.problems[1].message, "all is wider than this executor's none");
        let error = executor().narrowed(&json!({"limits": {"code_timeout": 90, "memory_limit": "1g"}})).unwrap_err();
        let messages: Vec<_> = error.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            messages,
            ["90 s is wider than this executor's 30 s", "1 GiB is wider than this executor's 512 MiB"]
        );
    }

    #[test]
    fn no_network_at_all_is_narrower_than_some_domains() {
        let network = json!({"network": {"mode": "restricted", "allowed_domains": ["a.example"]}});
        let executor = Policy::from_value(&network, Path::new("/")).unwrap();
        let narrowed = executor.narrowed(&json!({"network": {"mode": "none"}})).unwrap();
        // Its own text, which a client reads, must be one that loads.
        assert_eq!(Policy::from_value(&narrowed.to_value(), Path::new("/")).unwrap(), narrowed);
    }

    #[test]
    fn direct_execution_is_not_had_by_asking() {
        let asked = json!({"execution": {"allow_direct_execution": true}});
        let error = Policy::default().narrowed(&asked).unwrap_err();
        assert_eq!(
            error.to_string(),
            "execution.allow_direct_execution: this executor does not allow direct execution"
        );
        assert!(executor().narrowed(&asked).unwrap().direct_execution());
    }

    #[test]
    fn a_folder_that_the_executor_does_not_have_is_not_passed_over() {
        let asked = json!({"filesystem": {"workspace": {"mount": "/mine"}, "outputs": {"mount": "/out"}}});
        let error = Policy::default().narrowed(&asked).unwrap_err();
        assert_eq!(
            error.to_string(),
            "filesystem.workspace.mount: this executor mounts no workspace; name one in its own policy\n\
             filesystem.outputs.mount: this executor keeps no outputs; name a folder in its own policy"
        );
        let own = json!({"filesystem": {"workspace": {"mount": "/its"}, "outputs": {"mount": "/its-out"}}});
        let executor = Policy::from_value(&own, Path::new("/")).unwrap();
        assert_eq!(executor.narrowed(&asked).unwrap(), executor, "which folder it is, is the executor's business");
    }

    #[test]
    fn switches_are_turned_to_the_narrower_side_only() {
        let of = |jit: bool, fresh: bool| {
            let isolation = json!({"isolation": {"allow_jit": jit, "fresh_interpreter": fresh}});
            (Policy::from_value(&isolation, Path::new("/")).unwrap(), isolation)
        };
        let ((wide, _), (narrow, asked)) = (of(true, false), of(false, true));
        assert_eq!(wide.narrowed(&asked).unwrap(), narrow);
        assert_eq!(narrow.narrowed(&asked).unwrap(), narrow);
        let error = narrow.narrowed(&of(true, false).1).unwrap_err();
        let keys: Vec<_> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["isolation.allow_jit", "isolation.fresh_interpreter"]);
    }

    #[test]
    fn asking_for_nothing_changes_nothing() {
        assert_eq!(executor().narrowed(&json!({})).unwrap(), executor());
    }

    #[test]
    fn an_empty_command_list_means_none() {
        let policy = executor().narrowed(&json!({"execution": {"allowed_commands": []}})).unwrap();
        assert!(!policy.direct_execution());
    }
}
