//! One environment at work: a zygote, and the sandboxes that it has ready.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use codemode_sandbox::{
    execs::Programs,
    plan::{Means, PlanError, SandboxPlan},
};
use codemode_types::{EnvironmentPolicy, Policy};

use crate::{
    EnvironmentInfo, StartError,
    cgroup::Groups,
    pool::{Pool, Size},
    sandbox::{Spawner, Urgency},
    self_test::{Trial, unlisted_programs},
    shape::Shape,
    slots::UidSlots,
    zygote::{Keeper, Launch},
};

/// What environments share: the control groups, the user ids, and what their sandboxes are made like.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) groups: Option<Arc<Groups>>,
    pub(crate) slots: Arc<UidSlots>,
    pub(crate) means: Means,
    pub(crate) shape: Shape,
    pub(crate) size: Size,
}

/// How to start an environment.
#[derive(Debug)]
pub(crate) struct Blueprint {
    launch: Arc<Launch>,
    programs: Option<Programs>,
    /// Of the host, that the policy does not list.
    unlisted: Vec<PathBuf>,
    ground: Ground,
}

/// Dropping it kills everything of it.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) pool: Arc<Pool>,
    pub(crate) trial: Trial,
    /// That the kernel confirmed in its first sandbox.
    pub(crate) layers: Vec<String>,
}

impl Blueprint {
    pub(crate) fn new(plan: SandboxPlan, guest_library: &Path, ground: Ground) -> Self {
        Self {
            programs: Programs::of(&plan),
            unlisted: unlisted_programs(&plan),
            launch: Arc::new(Launch { guest_library: guest_library.to_owned(), plan }),
            ground,
        }
    }

    /// `name` is empty for the executor's own.
    pub(crate) fn info(&self, name: &str) -> EnvironmentInfo {
        let plan = &self.launch.plan;
        EnvironmentInfo { name: name.to_owned(), python: plan.python.clone(), packages: plan.packages.clone().into() }
    }
}

impl Environment {
    /// Launches, waits until it is warm, and parks the first sandbox.
    pub(crate) async fn start(blueprint: &Blueprint) -> Result<Arc<Self>, StartError> {
        let Ground { groups, slots, means, shape, size } = blueprint.ground.clone();
        let keeper = Keeper::start(Arc::clone(&blueprint.launch)).await?;
        let zygote = keeper.zygote().await.map_err(|_| StartError::ZygoteEnded)?;
        let trial = Trial { programs: blueprint.unlisted.clone(), removed: zygote.removed.clone() };
        let spawner = Spawner { keeper, groups, slots, programs: blueprint.programs.clone(), means };
        let first = spawner.spawn(&shape, Urgency::Wanted).await.map_err(StartError::Sandbox)?;
        let layers = first.layers.clone();
        let pool = Pool::new(spawner, shape, size, first);
        pool.refill();
        Ok(Arc::new(Self { pool, trial, layers }))
    }

    /// What its interpreter holds, which its sandboxes share.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.pool.spawner().keeper.memory_bytes()
    }

    /// Kills every sandbox of it, then ends its zygote.
    pub(crate) async fn end(&self) {
        self.pool.close();
        self.pool.spawner().keeper.stop().await;
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.pool.close();
    }
}

/// Of each of `guest.environments`, in their order. All are read at start, so that what is wrong with one is told then.
pub(crate) fn plans(policy: &Policy, own: &SandboxPlan) -> Result<Vec<(String, SandboxPlan)>, StartError> {
    let named = policy.guest.environments.iter().map(|environment| {
        let refused = |error| {
            let reason = match error {
                // Its own words begin with the key of the executor's interpreter.
                PlanError::Interpreter(error) => error.to_string(),
                error => error.to_string(),
            };
            StartError::Environment { name: environment.name.clone(), reason }
        };
        Ok((environment.name.clone(), plan(policy, own, environment).map_err(refused)?))
    });
    named.collect()
}

fn plan(policy: &Policy, own: &SandboxPlan, environment: &EnvironmentPolicy) -> Result<SandboxPlan, PlanError> {
    let mut plan = match &environment.interpreter {
        // Folders, libraries and commands are those of an interpreter; what it imports changes none of them.
        None => own.clone(),
        Some(interpreter) => SandboxPlan::build(policy, interpreter, own.means)?,
    };
    plan.preload.clone_from(&environment.preload);
    Ok(plan)
}
