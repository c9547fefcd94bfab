//! Requests about meters, and about limits of connections.

use super::connection::{Connection, one};
use super::error::Error;
use crate::id::{DatapathId, MeterId, Zone};
use crate::message::{CtLimits, Meter, MeterFeatures, MeterStats};

/// What the kernel says of a meter that is not there.
const NO_METER: i32 = nix::errno::Errno::ENOENT as i32;

/// Meters and limits.
impl Connection {
    /// What meters can do.
    ///
    /// # Errors
    /// Where there are none.
    pub fn meter_features(&self, datapath: DatapathId) -> Result<MeterFeatures, Error> {
        let what = || format!("look at the meters of datapath {datapath}");
        let request = MeterFeatures::get(datapath);
        one(self.outcome(request, &what), &what, MeterFeatures::decode)
    }

    /// Makes or changes a meter.
    ///
    /// # Errors
    /// Where there are none, or not of that number or with so many bands.
    pub fn set_meter(&self, datapath: DatapathId, meter: &Meter) -> Result<(), Error> {
        self.done(meter.set(datapath), &|| format!("set meter {}", meter.id))
    }

    /// What a meter has counted; nothing if there is none.
    ///
    /// # Errors
    /// Where there are no meters.
    pub fn meter(&self, datapath: DatapathId, id: MeterId) -> Result<Option<MeterStats>, Error> {
        let what = || format!("look at meter {id}");
        let outcome = self.outcome(id.get(datapath), &what);
        // Kernels say so, or give an answer without counters.
        if outcome
            .as_ref()
            .is_err_and(|error| error.errno() == Some(NO_METER))
        {
            return Ok(None);
        }
        one(outcome, &what, MeterStats::decode)
    }

    /// Removes a meter. That there is none is no error, as for the kernel.
    ///
    /// # Errors
    /// Where there are no meters.
    pub fn delete_meter(&self, datapath: DatapathId, id: MeterId) -> Result<(), Error> {
        self.done(id.delete(datapath), &|| format!("delete meter {id}"))
    }

    /// The limits of zones; of all that have one, if none is named.
    ///
    /// # Errors
    /// Where there are no limits.
    pub fn ct_limits(&self, datapath: DatapathId, zones: &[Zone]) -> Result<CtLimits, Error> {
        let what = || "look at the limits of connections".to_owned();
        let request = CtLimits::get(datapath, zones);
        one(self.outcome(request, &what), &what, CtLimits::decode)
    }

    /// Sets limits of zones.
    ///
    /// # Errors
    /// Where there are no limits.
    pub fn set_ct_limits(&self, datapath: DatapathId, limits: &CtLimits) -> Result<(), Error> {
        let what = || "set limits of connections".to_owned();
        self.done(limits.set(datapath), &what)
    }

    /// Removes limits of zones, and the one of all zones if `default` says so.
    ///
    /// # Errors
    /// Where there are no limits.
    pub fn delete_ct_limits(
        &self,
        datapath: DatapathId,
        default: bool,
        zones: &[Zone],
    ) -> Result<(), Error> {
        let what = || "delete limits of connections".to_owned();
        self.done(CtLimits::delete(datapath, default, zones), &what)
    }
}
