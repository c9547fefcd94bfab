//! The values that template variables have on this chassis, each through a look-up that is recorded.

use incremental::Context;
use ovsdb::Str;

use crate::world::World;

/// What `^NAME` stands for here.
pub(super) struct Values<'a, 'c> {
    cx: &'a Context<'c>,
    world: World,
}

impl<'a, 'c> Values<'a, 'c> {
    pub(super) fn new(cx: &'a Context<'c>, world: World) -> Self {
        Self { cx, world }
    }

    fn chassis(&self) -> Option<&Str> {
        self.cx.get(self.world.here, &()).map(|here| &here.name)
    }
}

impl logic::Variables for Values<'_, '_> {
    fn value(&self, name: &str) -> Option<logic::Str> {
        let key = (self.chassis()?.clone(), Str::from(name));
        let value = self.cx.items(self.world.template_value, &key).next()?;
        Some(value.as_str().into())
    }

    /// Only asked for when a name is wrong, so that a flow depends on all variables only then.
    fn names(&self) -> Vec<logic::Str> {
        let Some(chassis) = self.chassis() else {
            return Vec::new();
        };
        let rows = self.cx.items(self.world.templates_of, chassis);
        let rows = rows.filter_map(|row| self.cx.get(self.world.inputs.template, row));
        rows.flat_map(|row| row.variables.iter())
            .map(|(name, _)| name.as_str().into())
            .collect()
    }
}
