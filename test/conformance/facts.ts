/** Names and numbers of the published lists (reference 1.10, 2.5-2.7, 11, 13): what the compatibility page must have a row for. */

export const FEATURES = 93;

/** What the test of a feature must speak of, so that a row cannot name just any test. */
export const FEATURE_WORDS: Readonly<Record<number, RegExp>> = {
  1: /"cluster", "create"|LabCluster\.create/, 2: /"--address"/, 3: /join/, 4: /evict/, 5: /"cluster", "destroy"/, 6: /cluster set name=/, 7: /SIGTERM/, 8: /drained before it left/,
  9: /SameSubnetDelay/, 10: /link/, 11: /partition|half/, 12: /"none", "fileShare", "daemon", "cloud"/, 13: /NodeWeight=0/, 14: /votes/, 15: /witness/, 17: /fileShare/, 18: /cloudStore|proveCloud/,
  19: /--force-quorum/, 20: /--prevent-quorum/, 21: /partitionInTime/, 22: /LowerQuorumPriorityNodeID/, 23: /batch|condition/, 27: /GroupType/, 28: /resource create/, 29: /\] or \[/, 30: /cycle/i,
  31: /possible/i, 32: /preferred/, 33: /restart/, 34: /RestartAction=0/, 35: /FailoverThreshold/, 36: /RetryPeriodOnFailure/, 37: /PendingTimeout/, 38: /DeadlockTimeout/, 40: /looksAlive[^]*isAlive/,
  41: /fail/, 42: /group move/, 43: /queue/, 44: /ignore-locked|locked/i, 45: /FailbackWindowStart/, 46: /AntiAffinityClassNames/, 47: /affinity/i, 48: /Priority/, 49: /groupset/, 50: /GroupPreempted|preempt|20018|makes room|Priority/,
  51: /resume/, 53: /[Qq]uarantine/, 54: /site|rack|fault domain/i, 56: /IP Address/, 57: /IPv6 Address/, 58: /DnsZone/, 59: /RegisterAllProvidersIP/, 61: /CommandLine|http\.server/, 79: /Online/, 81: /events/, 82: /resource-types|user/i,
  89: /code/, 90: /Role=/, 91: /crypto_cipher/, 92: /IgnorePersistentStateOnStartup/, 93: /64/,
};

export const PROPERTIES: Readonly<Record<string, readonly string[]>> = {
  cluster: [
    "AddEvictDelay", "AdminAccessPoint", "AdminExtensions", "AutoBalancerLevel", "AutoBalancerMode", "BackupInProgress", "BlockCacheSize",
    "ClusSvcHangTimeout", "ClusSvcHeartbeatTimeout", "ClusSvcRegroupOpeningTimeout", "ClusSvcRegroupPruningTimeout", "ClusSvcRegroupStageTimeout",
    "ClusSvcRegroupTickInMilliseconds", "ClusterEnforcedAntiAffinity", "ClusterFunctionalLevel", "ClusterGroupWaitDelay", "ClusterLogLevel",
    "ClusterLogSize", "ClusterUpgradeVersion", "CrossSiteDelay", "CrossSiteThreshold", "CrossSubnetDelay", "CrossSubnetThreshold",
    "DatabaseReadWriteMode", "DefaultNetworkRole", "Description", "DisableGroupPreferredOwnerRandomization", "DrainOnShutdown", "DumpPolicy",
    "DynamicQuorum", "EnableEventDeltaGeneration", "EnableEventLogReplication", "EnableResourceDllDeadlockDetection", "EnableSharedVolumes",
    "FixQuorum", "GroupDependencyTimeout", "HangRecoveryAction", "IgnorePersistentStateOnStartup", "LogResourceControls", "MessageBufferLength",
    "MinimumNeverPreemptPriority", "MinimumPreemptorPriority", "NetftIPSecEnabled", "PlacementOptions", "PlumbAllCrossSubnetRoutes", "PreferredSite",
    "PreventQuorum", "QuarantineDuration", "QuarantineThreshold", "QuorumArbitrationTimeMax", "QuorumArbitrationTimeMin", "RequestReplyTimeout",
    "ResiliencyDefaultPeriod", "ResiliencyLevel", "ResourceDllDeadlockPeriod", "ResourceDllDeadlockThreshold", "ResourceDllDeadlockTimeout",
    "RootMemoryReserved", "RouteHistoryLength", "S2DBusTypes", "S2DCacheBehavior", "S2DCacheDesiredState", "S2DCacheFlashReservePercent",
    "S2DCacheMetadataReserveBytes", "S2DCachePageSizeKBytes", "S2DEnabled", "S2DIOLatencyThreshold", "S2DOptimizations", "SameSubnetDelay",
    "SameSubnetThreshold", "Security Descriptor", "SecurityLevel", "SharedVolumeBlockCacheSizeInMB", "SharedVolumeCompatibleFilters",
    "SharedVolumeIncompatibleFilters", "SharedVolumeSecurityDescriptor", "SharedVolumesRoot", "ShutdownTimeoutInMinutes",
    "UseClientAccessNetworksForSharedVolumes", "UseNetftForSharedVolumes", "WitnessDatabaseWriteTimeout", "WitnessDynamicWeight",
    "WitnessRestartInterval", "LowerQuorumPriorityNodeID", "MaxNumberOfNodes", "CsvBalancer", "SharedVolumeVssWriterOperationTimeout",
    "AutoAssignNodeSite", "GracePeriodEnabled", "GracePeriodTimeout", "MaximumParallelMigrations", "FailoverMoveMigrationType", "EnabledEventLogs",
    "AcceleratedNetworkingEnabled", "AcceleratedNetworkingNodeReserve", "MixedMode", "RecentEventsResetTime",
  ],
  group: [
    "AdminExtensions", "AntiAffinityClassNames", "AutoFailbackType", "CCFEpoch", "ColdStartSetting", "DefaultOwner", "Description",
    "FailbackWindowEnd", "FailbackWindowStart", "FailoverPeriod", "FailoverThreshold", "GroupStartDelay", "GroupType", "Name", "PersistentState",
    "PreferredSite", "Priority", "ResiliencyPeriod", "StatusInformation", "FaultDomain", "UpdateDomain", "PlacementOptions", "LockedFromMoving",
  ],
  resource: [
    "AdminExtensions", "DeadlockTimeout", "DebugPrefix", "Description", "DumpServices", "IsAlivePollInterval", "LastOperationStatusCode",
    "LooksAlivePollInterval", "MaximumMonitors", "MonitorProcessId", "Name", "PendingTimeout", "PersistentState", "ResourceSpecificData1",
    "ResourceSpecificData2", "ResourceSpecificStatus", "RestartAction", "RestartDelay", "RestartPeriod", "RestartThreshold", "RetryPeriodOnFailure",
    "SeparateMonitor", "StatusInformation", "Type", "EmbeddedFailureAction",
  ],
  resourceType: [
    "AdminExtensions", "DeadlockTimeout", "DebugControlFunctions", "DebugPrefix", "Description", "DllName", "DumpLogQuery", "DumpPolicy",
    "EnabledEventLogs", "IsAlivePollInterval", "LooksAlivePollInterval", "Name", "PendingTimeout", "MaximumMonitors", "DumpServices",
    "WprStartAfter", "WprProfiles",
  ],
  node: [
    "AdminExtensions", "BuildNumber", "CSDVersion", "Description", "DynamicWeight", "EnableEventLogReplication", "FaultDomain", "FaultDomainId",
    "MajorVersion", "MinorVersion", "Manufacturer", "Model", "NodeDrainStatus", "NodeDrainTarget", "NodeHighestVersion", "NodeLowestVersion",
    "NodeName", "NodeWeight", "SerialNumber", "StatusInformation", "NeedsPreventQuorum", "IsPrimary", "UniqueID", "DrainErrorCode",
    "NodeFailbackStatus", "FailbackErrorCode", "HyperthreadingEnabled",
  ],
  network: [
    "Address", "AutoMetric", "AddressMask", "AdminExtensions", "Description", "IPv4Addresses", "IPv4PrefixLengths", "IPv6Addresses",
    "IPv6PrefixLengths", "Metric", "Name", "Role", "LinkSpeed", "RdmaCapable", "RssCapable",
  ],
  networkInterface: [
    "Adapter", "AdapterId", "Address", "AdminExtensions", "Description", "DhcpEnabled", "IPv4Addresses", "IPv6Addresses", "Name", "Network", "Node",
  ],
  groupSet: [
    "IsGlobal", "Name", "ReadyCount", "ReadySetting", "ReadyDelay", "StartupCount", "StartupDelay", "StartupSetting", "StatusInformation",
  ],
};

/** Numbers of events. */
export const EVENTS: ReadonlySet<number> = new Set([
  1000, 1001, 1006, 1011, 1024, 1034, 1035, 1037, 1038, 1039, 1040, 1041, 1042, 1044, 1045, 1046, 1047, 1048, 1049, 1050, 1051, 1052, 1053, 1054,
  1055, 1057, 1066, 1068, 1069, 1070, 1071, 1073, 1077, 1078, 1080, 1090, 1092, 1093, 1094, 1105, 1119, 1121, 1125, 1127, 1129, 1130, 1135, 1137,
  1138, 1141, 1142, 1146, 1149, 1150, 1151, 1155, 1177, 1181, 1182, 1183, 1191, 1192, 1193, 1194, 1195, 1196, 1197, 1198, 1205, 1206, 1207, 1208,
  1211, 1212, 1213, 1214, 1215, 1216, 1218, 1219, 1220, 1221, 1222, 1223, 1226, 1227, 1228, 1229, 1230, 1231, 1232, 1233, 1234, 1240, 1242, 1243,
  1245, 1247, 1248, 1250, 1251, 1254, 1255, 1256, 1257, 1258, 1259, 1260, 1261, 1262, 1263, 1264, 1265, 1282, 1289, 1360, 1361, 1362, 1363, 1540,
  1542, 1543, 1544, 1546, 1547, 1548, 1550, 1551, 1553, 1554, 1555, 1556, 1557, 1558, 1559, 1560, 1561, 1562, 1563, 1564, 1566, 1567, 1568, 1569,
  1570, 1571, 1572, 1573, 1574, 1575, 1576, 1577, 1578, 1579, 1580, 1581, 1582, 1583, 1584, 1585, 1586, 1587, 1588, 1589, 1592, 1593, 1594, 1600,
  1603, 1604, 1605, 1606, 1607, 1608, 1609, 1632, 1635, 1636, 1652, 1653, 1654, 1655, 1656, 1664, 1671, 1672, 1673, 1675, 1676, 1677, 1680, 1681,
  1682, 1683, 1684, 1685, 1686, 1687, 1688, 1689, 4608, 4609, 4610, 4611, 4612, 4613, 4614, 4615, 4616, 4617, 4618, 4619, 4620, 4621, 4622, 4623,
  4624, 4625, 4626, 4627, 4628, 4629, 4864, 4865, 4866, 4867, 4868, 4869, 4870, 4871, 4872, 4873, 5120, 5121, 5122, 5123, 5124, 5125, 5126, 5133,
  5134, 5135, 5136, 5142, 5143, 5144, 5145, 5146, 5147, 5148, 5149, 5150, 5156, 5157, 5200, 5216, 5217, 5218, 5219, 5377, 5394, 5395, 5396, 5397,
  5398,
]);

/** Of the source Microsoft-Windows-NLB (reference NLB 13). */
export const NLB_EVENTS: ReadonlySet<number> = new Set([4, 5, 6, 18, 20, 23, 24, 25, 26, 28, 29, 36, 38, 39, 41, 42, 43, 67, 68]);
