use std::sync::Arc;

use navarch_proto::{api, fleet};

use super::record::{RecordError, known, optional_id, text_of};
use crate::{
    ids::{InstanceId, NodeId, PoolName, ProviderName, ProviderRef, Revision},
    model::{Backoff, BackoffKey, GivenUpGpu, Instance, InstanceState},
    text::{SharedTexts, stored},
    time::{LogTime, ms_or_zero},
};

pub(super) fn to_record(instance: &Instance) -> fleet::InstanceRecord {
    fleet::InstanceRecord {
        instance_id: instance.id.to_string(),
        pool: instance.pool.to_string(),
        provider: instance.provider.to_string(),
        region: instance.region.to_string(),
        zone: instance.zone.to_string(),
        instance_type: instance.instance_type.to_string(),
        state: api::InstanceState::from(instance.state).into(),
        provider_ref: text_of(instance.provider_ref.as_ref()),
        node_id: text_of(instance.node_id.as_ref()),
        request_body: instance.request_body.clone(),
        replaces: text_of(instance.replaces.as_ref()),
        revision: instance.revision.0,
        created_ms: instance.created_at.as_ms(),
        ready_ms: ms_or_zero(instance.ready_at),
        state_since_ms: instance.state_since.as_ms(),
        terminated_ms: ms_or_zero(instance.terminated_at),
        status_message: instance.status_message.to_string(),
        price_per_hour: instance.price_per_hour,
        failure: instance.failure.into(),
        replaced_by: text_of(instance.replaced_by.as_ref()),
    }
}

pub(super) fn from_record(
    record: fleet::InstanceRecord,
    texts: &mut SharedTexts,
) -> Result<Instance, RecordError> {
    Ok(Instance {
        id: InstanceId::new(&record.instance_id)?,
        pool: PoolName::shared(texts.share(&record.pool))?,
        provider: ProviderName::shared(texts.share(&record.provider))?,
        region: texts.share(&record.region),
        zone: texts.share(&record.zone),
        instance_type: texts.share(&record.instance_type),
        state: state(record.state)?,
        provider_ref: optional_id(&record.provider_ref, ProviderRef::new)?,
        node_id: optional_id(&record.node_id, NodeId::new)?,
        request_body: record.request_body,
        replaces: optional_id(&record.replaces, InstanceId::new)?,
        replaced_by: optional_id(&record.replaced_by, InstanceId::new)?,
        revision: Revision(record.revision),
        created_at: LogTime::from_ms(record.created_ms),
        ready_at: LogTime::optional(record.ready_ms),
        state_since: LogTime::from_ms(record.state_since_ms),
        terminated_at: LogTime::optional(record.terminated_ms),
        status_message: stored(&record.status_message, usize::MAX),
        price_per_hour: record.price_per_hour,
        failure: known("failure", record.failure)?,
    })
}

fn state(value: i32) -> Result<InstanceState, RecordError> {
    Ok(match known("state", value)? {
        api::InstanceState::Provisioning => InstanceState::Provisioning,
        api::InstanceState::PendingRegistration => InstanceState::PendingRegistration,
        api::InstanceState::Running => InstanceState::Running,
        api::InstanceState::Terminating => InstanceState::Terminating,
        api::InstanceState::Terminated => InstanceState::Terminated,
        api::InstanceState::Failed => InstanceState::Failed,
        api::InstanceState::Unknown => {
            return Err(RecordError::UnknownValue { field: "state", value });
        }
    })
}

pub(super) fn to_backoff(key: &BackoffKey, backoff: Backoff) -> fleet::CapacityBackoff {
    fleet::CapacityBackoff {
        provider: key.provider.to_string(),
        region: key.region.to_string(),
        instance_type: key.instance_type.to_string(),
        until_ms: backoff.until.as_ms(),
        failures: backoff.failures,
        bad_gpu: backoff.bad_gpu,
    }
}

pub(super) fn from_backoff(
    record: &fleet::CapacityBackoff,
    texts: &mut SharedTexts,
) -> Result<(BackoffKey, Backoff), RecordError> {
    let key = BackoffKey {
        provider: ProviderName::shared(texts.share(&record.provider))?,
        region: texts.share(&record.region),
        instance_type: texts.share(&record.instance_type),
    };
    let backoff = Backoff {
        until: LogTime::from_ms(record.until_ms),
        failures: record.failures,
        bad_gpu: record.bad_gpu,
    };
    Ok((key, backoff))
}

pub(super) fn to_given_up_gpu(uuid: &str, gpu: &GivenUpGpu) -> fleet::GivenUpGpu {
    fleet::GivenUpGpu {
        uuid: uuid.to_owned(),
        until_ms: gpu.until.as_ms(),
        instance_id: gpu.instance_id.to_string(),
        reason: gpu.reason.to_string(),
        given_up_ms: ms_or_zero(gpu.at),
    }
}

pub(super) fn from_given_up_gpu(record: &fleet::GivenUpGpu) -> (Arc<str>, GivenUpGpu) {
    let gpu = GivenUpGpu {
        instance_id: Arc::from(record.instance_id.as_str()),
        reason: stored(&record.reason, usize::MAX),
        at: LogTime::optional(record.given_up_ms),
        until: LogTime::from_ms(record.until_ms),
    };
    (Arc::from(record.uuid.as_str()), gpu)
}
