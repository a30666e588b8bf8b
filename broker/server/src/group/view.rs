//! Groups as those see them who list and describe.

use bytes::Bytes;

use super::{
    coordinator::Coordinator,
    member::Member,
    state::{Group, GroupState},
};

/// A group for those who list and describe.
#[derive(Clone, Debug)]
pub(crate) struct GroupView {
    pub(crate) id: String,
    pub(crate) state: GroupState,
    pub(crate) protocol_type: String,
    /// Empty unless the group is stable.
    pub(crate) protocol: String,
    pub(crate) members: Vec<MemberView>,
}

/// A member of a [`GroupView`].
#[derive(Clone, Debug)]
pub(crate) struct MemberView {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
}

impl Coordinator {
    /// All groups that were joined or have offsets, by name.
    pub(crate) fn list(&self) -> Vec<GroupView> {
        self.ids().iter().filter_map(|id| self.describe(id)).collect()
    }

    /// How many groups there are.
    pub(crate) fn group_count(&self) -> usize {
        self.ids().len()
    }

    fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.offsets.lock().groups().cloned().collect();
        ids.extend(self.groups.lock().by_id.keys().cloned());
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// One group; `None` if there is none of that name.
    pub(crate) fn describe(&self, id: &str) -> Option<GroupView> {
        let has_offsets = self.offsets.lock().contains(id);
        match self.groups.lock().by_id.get(id) {
            Some(cell) => Some(view(id, &cell.group)),
            None if has_offsets => Some(view(id, &Group::new(self.limits))),
            None => None,
        }
    }
}

fn view(id: &str, group: &Group) -> GroupView {
    let stable = group.state() == GroupState::Stable;
    let protocol = if stable { group.protocol().to_owned() } else { String::new() };
    let member = |member: &Member| MemberView {
        id: member.id.clone(),
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        metadata: if stable { member.metadata(&protocol) } else { Bytes::new() },
        assignment: if stable { member.assignment.clone() } else { Bytes::new() },
    };
    GroupView {
        id: id.to_owned(),
        state: group.state(),
        protocol_type: group.protocol_type().to_owned(),
        members: group.members().map(member).collect(),
        protocol,
    }
}
